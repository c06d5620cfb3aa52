package store_test

import (
	"testing"

	"github.com/diga-io/diga-api/server/store"
)

func TestRedact(t *testing.T) {
	for url, want := range map[string]string{
		"sqlite:diga.db": "sqlite:diga.db",
		"postgres://diga:secret@db/keys?sslmode=verify-full":                      "postgres://diga:***@db/keys?sslmode=verify-full",
		"postgres://db1:1,db2:2/keys?passfile=/p&pool_max_conns=9":                "postgres://db1:1,db2:2/keys?passfile=/p&pool_max_conns=9",
		"postgres:///keys?host=/run&user=diga&password=secret&sslpassword=secret": "postgres:///keys?host=/run&user=diga&password=***&sslpassword=***",
		"postgres://diga@db/?pass%77ord=secret&options=-c%20my.key%3Dsecret":      "postgres://diga@db/?pass%77ord=***&options=***",
		"postgres://di%40ga:@db":            "postgres://di%40ga:***@db",
		"postgres://diga:sec/ret@db/keys":   "",
		"postgres://diga:%zzsecret@db/keys": "",
		"mysql://root:secret@db/keys":       "",
		"secret":                            "",
	} {
		if got := store.Redact(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
