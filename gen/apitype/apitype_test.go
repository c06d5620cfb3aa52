package apitype_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/gen/apitype"
)

func TestUUID(t *testing.T) {
	const good = "550e8400-e29b-41d4-a716-446655440000"
	for text, want := range map[string]string{ // a word of the error; "" for none
		good:                                     "",
		strings.ToUpper(good):                    "",
		"00000000-0000-0000-0000-000000000000":   "", // nil
		"ffffffff-ffff-ffff-ffff-ffffffffffff":   "", // max
		"019a7f3c-0000-7000-8000-000000000000":   "", // version 7
		"":                                       "length",
		good[:35]:                                "length",
		good + "\n":                              "length",
		strings.ReplaceAll(good, "-", ""):        "length",
		"{" + good + "}":                         "length",
		"urn:uuid:" + good:                       "length",
		strings.Replace(good, "-", "0", 1):       "hyphens",
		"5-0e8400e29b-41d4-a716-446655440000000": "length",
		"55-e8400-e29b-41d4-a716-446655440000":   "digits",
		strings.Replace(good, "5", "g", 1):       "digits",
		strings.Replace(good, "55", "é", 1):      "digits",
	} {
		id, err := apitype.ParseUUID(text)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
		if err == nil && id.String() != strings.ToLower(text) {
			t.Errorf("%q prints as %s", text, id)
		}
	}
}

func TestUUIDInJSON(t *testing.T) {
	const text = `{"id":"550e8400-e29b-41d4-a716-446655440000"}`
	var object struct {
		ID apitype.UUID `json:"id"`
	}
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(object); err != nil || string(again) != text {
		t.Errorf("%s becomes %s (%v)", text, again, err)
	}
	if err := json.Unmarshal([]byte(`{"id":"nope"}`), &object); err == nil || !strings.Contains(err.Error(), "length") {
		t.Errorf("no UUID: %v", err)
	}
}

// The generated code defines its types as this one is.
type response apitype.JSON

func TestJSON(t *testing.T) {
	for _, text := range []string{`null`, `true`, `"text"`, `9007199254740993`, `1e400`, `[1,{"a":null}]`, `{"b":[],"c":{}}`} {
		var value response
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if again, err := json.Marshal(value); err != nil || string(again) != text {
			t.Errorf("%s becomes %s (%v)", text, again, err)
		}
	}
	if err := json.Unmarshal([]byte(`{`), new(response)); err == nil {
		t.Error("half an object is taken")
	}
	if _, err := json.Marshal(response(apitype.Of(func() {}))); err == nil {
		t.Error("a function is encoded")
	}
}

// What is optional and may be null is read as absent when it is null, and can be written as either.
func TestOptionalJSON(t *testing.T) {
	type object struct {
		Value *apitype.JSON `json:"value,omitempty"`
	}
	var read object
	if err := json.Unmarshal([]byte(`{"value":null}`), &read); err != nil || read.Value != nil {
		t.Errorf("null is read as %v (%v)", read.Value, err)
	}
	null := apitype.Of(nil)
	for want, value := range map[string]object{`{}`: {}, `{"value":null}`: {&null}} {
		if text, err := json.Marshal(value); err != nil || string(text) != want {
			t.Errorf("%v is written as %s (%v), want %s", value, text, err, want)
		}
	}
}

func TestJSONAsText(t *testing.T) {
	for want, value := range map[string]any{"plain": "plain", "null": nil, `["a",1]`: []any{"a", 1}, "json: unsupported type: func()": func() {}} {
		if text := fmt.Sprint(response(apitype.Of(value))); text != want {
			t.Errorf("%v prints as %s", value, text)
		}
	}
}

// FuzzUUID compares the rule with what it says.
func FuzzUUID(f *testing.F) {
	rule := regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	f.Add("550e8400-e29b-41d4-a716-446655440000")
	f.Add("550e8400-e29b-41d4-a716-44665544000\x00")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := apitype.ParseUUID(text)
		if (err == nil) != (rule.MatchString(text) && !strings.HasSuffix(text, "\n")) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && len(text) > 3 && strings.Contains(err.Error(), text) {
			t.Errorf("the error repeats %q", text)
		}
	})
}
