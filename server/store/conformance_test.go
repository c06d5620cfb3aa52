package store_test

import (
	"path/filepath"
	"testing"

	"github.com/diga-io/diga-api/server/store/storetest"
)

func sqlite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "diga.db") }

func TestSQLite(t *testing.T) { storetest.RunEngine(t, sqlite) }
