package contract

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzText compares what a validation takes for JSON with what syntaxError does.
func FuzzText(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-2.5,0.0,1e9,1E-9,{"b":{}},true,false,null,""]}`, ` [ 1 , { "a" : 2 } ] `, `"\u00e4\n\ud800\/"`, "\"\u00e4 and some more text\"",
		`{"a":1,"\u0061":2}`, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"j":11}`,
		``, ` `, `{`, `{"a"}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `[1,]`, `[,1]`, `[1 2]`, `1 2`, `01`, `1.`, `.1`, `-`, `1e`, `1e401`, `1e-401`, `+1`, `tru`, `nul`,
		`"\`, `"\x"`, `"\u12"`, `"abcdefgh`, "\"abcdefg\n\"", "\"\x01\"", "\"\xff\"", `'a'`, `NaN`, "\v1", strings.Repeat("1", 1001),
		strings.Repeat("[", 500) + strings.Repeat("]", 500), strings.Repeat("[", 501) + strings.Repeat("]", 501),
		strings.Repeat(`{"a":`, 500) + "1" + strings.Repeat("}", 500), strings.Repeat(`{"a":`, 501) + "1" + strings.Repeat("}", 501),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := syntaxError(data)
		if accepted := anyValue.accepts(data); accepted != (err == nil) {
			t.Fatalf("%.200q: accepted %v, but %v", data, accepted, err)
		}
		if violations := anyValue.validate(data, "body", ""); (len(violations) == 0) != (err == nil) {
			t.Fatalf("%.200q: violations %v, but %v", data, violations, err)
		}
	})
}

// TestNotJSON cuts bodies off at every byte. However many violations a body has before, what the client is told is that it is
// not JSON.
func TestNotJSON(t *testing.T) {
	for _, test := range []struct {
		schema string
		value  any
	}{
		{"Records", records(2)}, {"Tree", branches(2)}, {"Events", events(5)}, {"Page", page{contacts(2), "next"}}, {"Records", records(maxViolations + 1)},
	} {
		s := compileSchema(t, benchSchema(test.schema), benchComponents)
		valid, err := json.Marshal(test.value)
		if err != nil {
			t.Fatal(err)
		}
		for _, whole := range [][]byte{valid, bytes.ReplaceAll(valid, []byte(`"id":"0`), []byte(`"id":"x`))} {
			if found := s.validate(whole, "body", ""); (len(found) == 0) != bytes.Equal(whole, valid) {
				t.Errorf("%.100s: %v", whole, found)
			}
			for n := len(whole) - 1; n > len(whole)-600 && n > 0; n-- {
				if found := s.validate(whole[:n], "body", ""); len(found) != 1 || found[0].Keyword != "decode" {
					t.Fatalf("%s: %v", whole[:n], found)
				}
			}
		}
	}
}

// TestDecimal compares numbers by their exact values.
func TestDecimal(t *testing.T) {
	ascending := []string{"-1e400", "-123456789012345678901234567890", "-20", "-3", "-2.5", "-0.1", "-1e-400", "0", "1e-400", "0.099", "0.1", "1", "1.5", "2", "19.99", "20", "100", "1e21", "1e400"}
	for i, a := range ascending {
		for j, b := range ascending {
			got, want := parseDecimal(a).compare(parseDecimal(b)), 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got != want {
				t.Errorf("%s and %s compare as %d", a, b, got)
			}
		}
	}
	for _, equal := range [][]string{
		{"0", "-0", "0.00", "0e5"}, {"100", "1e2", "100.0", "0.1e3", "1000e-1"}, {"-1.5", "-15e-1", "-1.50"}, {"1e30", "10e29"},
	} {
		for _, number := range equal {
			if got := canonical(number); got != canonical(equal[0]) {
				t.Errorf("%s is %s, and %s is %s", number, got, equal[0], canonical(equal[0]))
			}
		}
	}
}
