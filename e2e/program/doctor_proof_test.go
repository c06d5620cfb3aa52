//go:build proof

package program_test

import (
	"strings"
	"testing"

	"github.com/diga-io/diga-api/e2e/internal/postgres"
	"github.com/diga-io/diga-api/e2e/internal/process"
)

func TestDoctorPostgres(t *testing.T) { testDoctor(t, "PostgreSQL", postgres.Start(t).Database(t)) }

func TestDoctorLossyPostgres(t *testing.T) {
	url := postgres.Start(t, "fsync=off").Database(t)
	process.NewKey(t, url)
	if r, got := doctor(t, nil, "--database-url", url); got.Status != 1 || !strings.Contains(r.failed(), "durability: ") || !strings.Contains(r.failed(), "fsync is off") {
		t.Errorf("%+v", got)
	}
}
