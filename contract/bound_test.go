package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestBounded validates bodies that are made to be expensive. Each takes a fraction of a second, where one that took
// exponential or quadratic time would not end, and allocates no more than a fixed multiple of the size of the body.
func TestBounded(t *testing.T) {
	repeat := func(n int, item func(i int) string) string {
		var items []string
		for i := range n {
			items = append(items, item(i))
		}
		return strings.Join(items, ",")
	}
	patterns := repeat(100, func(i int) string { return fmt.Sprintf(`"^a%d":{"type":"integer"}`, i) })
	nested := func(depth int, open, innermost, closing string) string {
		return strings.Repeat(open, depth) + innermost + strings.Repeat(closing, depth)
	}
	const (
		ambiguous = `{"anyOf":[{"type":"array","items":{"$ref":"#/components/schemas/A"}},
			{"type":"array","items":{"$ref":"#/components/schemas/A"},"minItems":2},{"type":"integer"}]}`
		exclusive = `{"oneOf":[{"properties":{"n":{"$ref":"#/components/schemas/A"}},"required":["a"]},
			{"properties":{"n":{"$ref":"#/components/schemas/A"}},"required":["b"]}]}`
		evaluating = `{"anyOf":[{"properties":{"n":{"$ref":"#/components/schemas/A"}}},{"properties":{"n":{"$ref":"#/components/schemas/A"},"x":{}}}],
			"unevaluatedProperties":false}`
	)
	for _, test := range []struct {
		name, schema, body string
		violations         bool
	}{
		{"nested alternatives", ambiguous, nested(400, "[", "1", "]"), false},
		{"nested alternatives, none of which fits", ambiguous, nested(400, "[", `""`, "]"), true},
		{"wide and nested alternatives", ambiguous, nested(50, "["+repeat(200, func(int) string { return "[1]" })+",", `""`, "]"), true},
		{"nested oneOf", exclusive, nested(300, `{"b":1,"n":`, `{"b":1}`, "}"), false},
		{"nested oneOf, none of which fits", exclusive, nested(300, `{"b":1,"n":`, "{}", "}"), true},
		{"nested alternatives that evaluate", evaluating, nested(300, `{"n":`, "{}", "}"), false},
		{"nested alternatives that evaluate, and one more member", evaluating, nested(300, `{"n":`, `{"y":1}`, "}"), true},
		{"unique integers", `{"uniqueItems":true}`, "[" + repeat(10_000, func(i int) string { return fmt.Sprint(i) }) + "]", false},
		{"unique strings, but for the last", `{"uniqueItems":true}`, "[" + repeat(10_000, func(i int) string { return fmt.Sprintf("%q", fmt.Sprint(i%9_999)) }) + "]", true},
		{"unique objects", `{"uniqueItems":true}`, "[" + repeat(10_000, func(i int) string { return fmt.Sprintf(`{"a":%d,"b":[1.0]}`, i) }) + "]", false},
		{"unique numbers of few bytes and many digits", `{"uniqueItems":true}`, "[" + repeat(1_000, func(i int) string { return fmt.Sprintf(`%de399`, i+1) }) + "]", false},
		// No more names, because regexp takes its state from a sync.Pool, and the race detector drops a quarter of what is put there.
		{"patterns of names", `{"patternProperties":{` + patterns + `}}`, "{" + repeat(1_000, func(i int) string { return fmt.Sprintf(`"a%d":1`, i) }) + "}", false},
		{"unknown members", `{"additionalProperties":false}`, "{" + repeat(10_000, func(i int) string { return fmt.Sprintf(`"a%d":1`, i) }) + "}", true},
		{"unevaluated items", `{"prefixItems":[{}],"anyOf":[{"contains":{"type":"integer"}},{"contains":{"type":"string"}}],"unevaluatedItems":false}`,
			"[" + repeat(10_000, func(i int) string { return []string{"1", `"a"`}[i%2] }) + "]", false},
		{"a list of what fits none of five", benchSchema("Events"), "[" + repeat(10_000, func(int) string { return `{"kind":"unknown"}` }) + "]", true},
		{"escapes", `{"items":{"type":"string","maxLength":1}}`, "[" + repeat(10_000, func(int) string { return `"\u0041"` }) + "]", false},
		{"multiples of numbers of few bytes and many digits", `{"items":{"multipleOf":3e-399}}`, "[" + repeat(1_000, func(int) string { return "3e399" }) + "]", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := compileSchema(t, test.schema, benchComponents)
			body := []byte(test.body)
			if !json.Valid(body) {
				t.Fatal("the body is not JSON")
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			violations := s.validate(body, "body", "")
			runtime.ReadMemStats(&after)
			if (len(violations) > 0) != test.violations || len(violations) > maxViolations {
				t.Errorf("%d violations", len(violations))
			}
			allocated := after.TotalAlloc - before.TotalAlloc
			t.Logf("%.1f times the body of %d bytes", float64(allocated)/float64(len(body)), len(body))
			if allocated > 4<<20+100*uint64(len(body)) {
				t.Errorf("%d bytes are allocated for a body of %d", allocated, len(body))
			}
		})
	}
}

// TestAttempts is for a schema and a body that would take seconds all the same.
func TestAttempts(t *testing.T) {
	var alternatives []string
	for i := range 40 {
		alternatives = append(alternatives, fmt.Sprintf(`{"type":"array","items":{"$ref":"#/components/schemas/A"},"minItems":%d}`, i))
	}
	s := compileSchema(t, `{"anyOf":[`+strings.Join(alternatives, ",")+`]}`)
	body := strings.Repeat("["+strings.Repeat("[[[[]]]],", 300), 40) + `""` + strings.Repeat("]", 40)
	violations := s.validate([]byte(body), "body", "")
	if len(violations) != 1 || violations[0].Keyword != "anyOf" || !errors.Is(violations[0].Err, errAttempts) {
		t.Errorf("violations %v", violations)
	}
	if s.accepts([]byte(body)) {
		t.Error("the body is accepted")
	}
}

func benchSchema(name string) string { return `{"$ref":"#/components/schemas/` + name + `"}` }
