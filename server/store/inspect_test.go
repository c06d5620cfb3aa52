package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/diga-io/diga-api/server/store"
)

func TestInspect(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			keys := open(t, engine.url(t))
			inspection, err := keys.Inspect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(inspection.Engine, engine.name+" ") || len(inspection.Settings) < 5 || inspection.Ahead.Abs() > time.Minute {
				t.Errorf("%+v", inspection)
			}
			for _, setting := range inspection.Settings {
				switch setting.Name {
				case "journal_mode", "synchronous", "synchronous_commit", "in_recovery", "transaction_read_only":
					if setting.Wrong {
						t.Errorf("%+v", setting)
					}
				}
			}
			if err := keys.CheckWritable(t.Context()); err != nil {
				t.Error(err)
			}
			if err := keys.CheckSchema(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

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
