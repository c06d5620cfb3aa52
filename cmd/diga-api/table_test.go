package main

import (
	"fmt"
	"strings"
	"testing"
)

// Rows after the first thousand do not change the layout: they are shortened to it.
func TestTableAfterItsSample(t *testing.T) {
	var out strings.Builder
	people := &table{out: &out, width: 14, columns: []column{{title: "ID"}, {title: "NAME", least: 4}}}
	const rows = tableSample + 2
	for i := range rows {
		name := "name"
		if i >= tableSample {
			name = "a longer name"
		}
		people.add([]cell{{text: fmt.Sprintf("%04d", i)}, {text: name}})
		if printed := strings.Count(out.String(), "\n"); i < tableSample-1 && printed != 0 || i >= tableSample && printed != i+2 {
			t.Fatalf("%d lines are printed after %d rows", printed, i+1)
		}
	}
	people.flush()
	if !strings.HasPrefix(out.String(), "ID    NAME\n0000  name\n") || !strings.HasSuffix(out.String(), "\n1001  a l…\n") {
		t.Errorf("%.40s … %s", out.String(), out.String()[out.Len()-40:])
	}
}

func TestShorten(t *testing.T) {
	for _, test := range []struct {
		text  string
		width int
		want  string
	}{
		{"billing", 7, "billing"}, {"billing", 6, "billi…"}, {"鍵鍵鍵", 6, "鍵鍵鍵"}, {"鍵鍵鍵", 5, "鍵鍵…"}, {"鍵鍵鍵", 4, "鍵…"}, {"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"}, {"", 3, ""},
	} {
		if got := shorten(test.text, test.width); got != test.want {
			t.Errorf("%q at %d columns is %q, want %q", test.text, test.width, got, test.want)
		}
	}
}
