package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// oracle validates by another implementation of JSON Schema, with the formats and patterns of this package.
type oracle struct{ *jsonschema.Schema }

func newOracle(t testing.TB, schema string) oracle {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseRegexpEngine(func(source string) (jsonschema.Regexp, error) {
		p, err := compilePattern(source)
		return &namedPattern{p, source}, err
	})
	for name, check := range textFormats {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(value any) error {
			if text, ok := value.(string); ok {
				return check(text)
			}
			return nil
		}})
	}
	for name, bounds := range numberFormats {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(value any) error {
			number, ok := value.(json.Number)
			if !ok {
				return nil
			}
			exact, _ := new(big.Rat).SetString(number.String())
			for _, b := range bounds {
				limit, _ := new(big.Rat).SetString(string(b.limit.append(nil)))
				if (!b.integers || exact.IsInt()) && (b.upper && exact.Cmp(limit) > 0 || !b.upper && exact.Cmp(limit) < 0) {
					return errRange
				}
			}
			return nil
		}})
	}
	const name = "mem:///schema.json" // a relative name would depend on the folder, and fails in one with a space
	if err := c.AddResource(name, value); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return oracle{compiled}
}

type namedPattern struct {
	pattern
	source string
}

func (p *namedPattern) String() string { return p.source }

// violations returns pointer and keyword of each violation, sorted; nil for a value that fits.
func (o oracle) violations(t testing.TB, text []byte) []string {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	add := func(pointer, keyword string) { found = append(found, pointer+" "+keyword) }
	var collect func(e *jsonschema.ValidationError)
	collect = func(e *jsonschema.ValidationError) {
		pointer := ""
		for _, token := range e.InstanceLocation {
			pointer += "/" + escapeToken(token)
		}
		switch k := e.ErrorKind.(type) {
		case *kind.Required:
			for _, name := range k.Missing {
				add(pointer+"/"+escapeToken(name), "required")
			}
			return
		case *kind.DependentRequired:
			for _, name := range k.Missing {
				add(pointer+"/"+escapeToken(name), "dependentRequired")
			}
			return
		case *kind.AdditionalProperties:
			for _, name := range k.Properties {
				add(pointer+"/"+escapeToken(name), "additionalProperties")
			}
			return
		case *kind.PropertyNames: // its location may be that of a value that was validated later
			add("/"+escapeToken(k.Property), "propertyNames")
			return
		case *kind.Contains, *kind.MinContains:
			add(pointer, k.KeywordPath()[0])
			return
		case nil: // within oneOf and not, it keeps that a value does not fit, but not why
			add(pointer, "?")
		case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		case *kind.Not:
			add(pointer, "not")
		case *kind.FalseSchema:
			add(pointer, "false")
		default:
			keyword := "?" // a circle of references
			if path := k.KeywordPath(); len(path) > 0 {
				keyword = path[0]
			}
			add(pointer, keyword)
		}
		for _, cause := range e.Causes {
			collect(cause)
		}
	}
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](o.Validate(value)); ok {
		collect(invalid)
	}
	slices.Sort(found)
	return found
}

// compileSchema compiles the schema A of a document. The other components are for references.
func compileSchema(t testing.TB, schema string, components ...string) *schema {
	t.Helper()
	doc := `{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{},"components":{"schemas":{"A":` + schema
	for _, component := range components {
		doc += "," + component
	}
	d, findings := Read([]byte(doc + "}}}"))
	if d == nil {
		t.Fatal(Errors(findings))
	}
	s, err := newCompiler(d, nil).at("/components/schemas/A")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// drawer draws schemas, and values that have a chance to fit them.
type drawer struct{ *rand.Rand }

func (d drawer) one(choices ...any) any { return choices[d.IntN(len(choices))] }

var drawnNames = []string{"a", "b", "c", "é", "x-1", "x/2"}

func (d drawer) name() string { return drawnNames[d.IntN(len(drawnNames))] }

// schema draws a schema. Keywords of all types stand beside each other.
func (d drawer) schema(depth int) any {
	if d.IntN(12) == 0 {
		return d.IntN(3) > 0
	}
	s := map[string]any{}
	set := func(percent int, keyword string, value func() any) {
		if d.IntN(100) < percent {
			s[keyword] = value()
		}
	}
	constant := func(choices ...any) func() any { return func() any { return d.one(choices...) } }
	set(40, "type", constant("string", "integer", "number", "object", "array", "boolean", "null", []any{"string", "null"},
		[]any{"object", "array"}, []any{"number", "string"}))
	set(4, "const", func() any { return d.value(1) })
	set(4, "enum", func() any { return []any{d.value(1), d.value(0), d.value(0)} })
	set(5, "minLength", constant(0, 1, 2, 4))
	set(5, "maxLength", constant(1, 2, 9))
	set(4, "pattern", constant("^a", "^[a-z0-9]{2,}$", "é", "^(?!b)"))
	set(5, "format", constant("uuid", "date-time", "email", "uri", "int32", "float", "hostname", "date", "byte", "other"))
	set(4, "minimum", constant(0, 1, 2.5, -1e20))
	set(4, "exclusiveMinimum", constant(0, 1))
	set(4, "maximum", constant(2, 1e3, 0.5))
	set(4, "exclusiveMaximum", constant(2, 3, 1e30))
	set(4, "multipleOf", constant(1, 2, 0.5, 0.01))
	set(5, "required", constant([]any{"a"}, []any{"b", "é"}, []any{"x/2"}))
	set(3, "minProperties", constant(1, 2))
	set(3, "maxProperties", constant(1, 2))
	set(3, "minItems", constant(1, 2))
	set(3, "maxItems", constant(1, 2))
	set(5, "uniqueItems", constant(true, true, false))
	set(4, "dependentRequired", constant(map[string]any{"a": []any{"b", "c"}}, map[string]any{"b": []any{"q"}}))
	if depth > 0 {
		sub := func() any { return d.schema(depth - 1) }
		subs := func() any { return slices.Repeat([]any{nil}, 1+d.IntN(3)) }
		schemas := func() any {
			list := subs().([]any)
			for i := range list {
				list[i] = sub()
			}
			return list
		}
		named := func(names ...string) func() any {
			return func() any {
				m := map[string]any{}
				for range 1 + d.IntN(3) {
					m[names[d.IntN(len(names))]] = sub()
				}
				return m
			}
		}
		set(30, "properties", named(drawnNames...))
		set(6, "patternProperties", named("^x", "a", "^.$"))
		set(12, "additionalProperties", sub)
		set(4, "propertyNames", func() any { return map[string]any{"maxLength": 2} })
		set(4, "dependentSchemas", named("a", "b"))
		set(20, "items", sub)
		set(6, "prefixItems", schemas)
		set(5, "contains", sub)
		set(3, "minContains", constant(0, 1, 2))
		set(3, "maxContains", constant(1, 2))
		set(7, "allOf", schemas)
		set(9, "anyOf", schemas)
		set(7, "oneOf", schemas)
		set(4, "not", sub)
		if d.IntN(20) == 0 {
			s["if"] = sub()
			set(60, "then", sub)
			set(60, "else", sub)
		}
		set(8, "unevaluatedProperties", sub)
		set(6, "unevaluatedItems", sub)
		set(8, "$ref", constant("#/components/schemas/A", "#/components/schemas/B"))
	}
	return s
}

func (d drawer) value(depth int) any {
	n := 8
	if depth <= 0 {
		n = 6
	}
	switch d.IntN(n) {
	case 0:
		return d.one("", "a", "ab", "é", "2020-02-30", "2020-02-03T04:05:06Z", "a@b.example", "018f2b5e-0000-7000-8000-000000000000", "\u0001\"\\")
	case 1:
		return json.Number(d.one("0", "1", "2", "-0", "1.0", "2.50", "1e2", "3e38", "4e38", "2147483648", "-1.5e-3", "123456789012345678901").(string))
	case 2:
		return d.IntN(2) == 0
	case 3:
		return nil
	case 4, 5:
		return d.one("a", "ab", json.Number("1"), json.Number("2"))
	case 6:
		list := []any{}
		for range d.IntN(4) {
			list = append(list, d.value(depth-1))
		}
		return list
	}
	m := map[string]any{}
	for range d.IntN(4) {
		m[d.name()] = d.value(depth - 1)
	}
	return m
}

// compareWithOracle draws a schema and values, and compares the verdicts and, unless the oracle reports more, the
// violations.
func compareWithOracle(t *testing.T, seed uint64) (valid, invalid int) {
	d := drawer{rand.New(rand.NewPCG(seed, 2))}
	a, b := d.schema(3), d.schema(2)
	encode := func(value any) string {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	doc := fmt.Sprintf(`{"openapi":"3.1.0","info":{"title":"t","version":"1"},"paths":{},"components":{"schemas":{"A":%s,"B":%s}}}`, encode(a), encode(b))
	read, findings := Read([]byte(doc))
	if read == nil {
		for _, f := range findings {
			if f.Severity == Error && f.Rule != "cycle" {
				t.Fatalf("%s: %v", doc, f)
			}
		}
		return 0, 0
	}
	s, err := newCompiler(read, nil).at("/components/schemas/A")
	if err != nil {
		t.Fatal(err)
	}
	var whole struct{ Components json.RawMessage }
	if err := json.Unmarshal(read.JSON(), &whole); err != nil {
		t.Fatal(err)
	}
	o := newOracle(t, `{"$ref":"#/components/schemas/A","components":`+string(whole.Components)+`}`)
	for range 30 {
		text := []byte(encode(d.value(3)))
		want := o.violations(t, text)
		if accepted := s.accepts(text); accepted != (want == nil) {
			t.Errorf("seed %d: %s\naccepted %v, the oracle says %q\n%s", seed, text, accepted, want, doc)
			return
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", "\t"); err != nil {
			t.Fatal(err)
		}
		if accepted := s.accepts(indented.Bytes()); accepted != (want == nil) {
			t.Errorf("seed %d: %s\naccepted %v, and without white space %v\n%s", seed, &indented, accepted, !accepted, doc)
			return
		}
		if want == nil {
			valid++
			continue
		}
		invalid++
		var got []string
		for _, v := range s.validate(text, "body", "") {
			pointer, keyword := v.Pointer, v.Keyword
			if keyword == "propertyNames" {
				pointer = pointer[strings.LastIndexByte(pointer, '/'):]
			}
			if (keyword == "enum" || keyword == "const") && slices.Contains(want, pointer+" type") {
				keyword = "type" // this package reports that it is none of the permitted values
			}
			got = append(got, pointer+" "+keyword)
		}
		slices.Sort(got)
		// The oracle ends a schema at an invalid format and at a number that is no integer, and ignores what a schema
		// evaluated that is invalid.
		if strings.Contains(strings.Join(want, ""), " ?") || strings.Contains(doc, "unevaluated") || strings.Contains(doc, "format") {
			continue
		}
		if bytes.ContainsAny(text, ".e") && slices.ContainsFunc(want, func(s string) bool { return strings.HasSuffix(s, " type") }) {
			continue
		}
		if strings.Contains(doc, "anyOf") || strings.Contains(doc, "oneOf") {
			// The oracle tells everything about every alternative.
			surplus := slices.DeleteFunc(slices.Clone(got), func(v string) bool {
				return slices.Contains(want, v) || strings.HasSuffix(v, " type") || strings.HasSuffix(v, " enum")
			})
			if len(got) == 0 || len(got) > len(want) || len(surplus) > 0 {
				t.Errorf("seed %d: %s\nviolations %q\nthe oracle: %q\n%s", seed, text, got, want, doc)
				return
			}
			continue
		}
		if len(want) < maxViolations && !slices.Equal(got, want) {
			t.Errorf("seed %d: %s\nviolations %q\nthe oracle: %q\n%s", seed, text, got, want, doc)
			return
		}
	}
	return valid, invalid
}

// TestOracle compares with another implementation.
func TestOracle(t *testing.T) {
	valid, invalid := 0, 0
	for seed := range uint64(400) {
		v, i := compareWithOracle(t, seed)
		if valid, invalid = valid+v, invalid+i; t.Failed() {
			return
		}
	}
	if t.Logf("%d valid, %d invalid", valid, invalid); valid < 1000 || invalid < 1000 {
		t.Error("too one-sided to mean anything")
	}
}

func FuzzOracle(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Add(uint64(987)) // a base that refers to itself in many places
	f.Fuzz(func(t *testing.T, seed uint64) { compareWithOracle(t, seed) })
}
