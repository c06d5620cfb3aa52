package store_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/server/store"
	"github.com/diga-io/diga-api/server/store/storetest"
)

func sqlite(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "diga.db") }

func open(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return open(t, sqlite(t)) })
}

func TestInspect(t *testing.T) { storetest.RunInspect(t, "SQLite", open(t, sqlite(t))) }

func TestCopy(t *testing.T) {
	storetest.RunCopy(t, func(t *testing.T) *store.Store { return open(t, sqlite(t)) })
}

func TestPlans(t *testing.T) {
	url := sqlite(t)
	open(t, url)
	storetest.RunPlans(t, "sqlite", url, raw(t, strings.TrimPrefix(url, "sqlite:")))
}

func TestOperator(t *testing.T) {
	storetest.RunOperator(t, func(t *testing.T) (*store.Store, string) {
		url := sqlite(t)
		return open(t, url), url
	})
}
