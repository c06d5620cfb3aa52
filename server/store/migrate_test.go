package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestMigrationNames holds the migrations of both engines to the same versions without gaps.
func TestMigrationNames(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		names := migrationNames("migrations/" + engine)
		for i, name := range names {
			if want := fmt.Sprintf("%05d_", i+1); !strings.HasPrefix(name, want) {
				t.Errorf("%s: %s does not begin with %s", engine, name, want)
			}
		}
		if int64(len(names)) != Head {
			t.Errorf("%s has %d migrations, Head is %d", engine, len(names), Head)
		}
	}
	if a, b := migrationNames("migrations/sqlite"), migrationNames("migrations/postgres"); !slices.Equal(a, b) {
		t.Errorf("the engines have different migrations: %q and %q", a, b)
	}
}
