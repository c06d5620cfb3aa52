//go:build proof

package program_test

import (
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
)

func TestRealServerPostgres(t *testing.T) { testRealServer(t, postgres.Database(t)) }
