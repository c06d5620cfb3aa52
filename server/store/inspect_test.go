package store_test

import (
	"testing"

	"github.com/diga-io/diga-api/server/store"
)

func TestRedact(t *testing.T) {
	for url, want := range map[string]string{
		"sqlite:diga.db": "sqlite:diga.db",
		"postgres://diga:secret@db:5433/keys?application_name=secret": "postgres://db:5433/keys",
		"postgres://diga:sec/ret@db/keys":                             "",
		"postgres://diga:%zzsecret@db/keys":                           "",
		"mysql://root:secret@db/keys":                                 "",
		"secret":                                                      "",
	} {
		if got := store.Redact(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
