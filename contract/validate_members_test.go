package contract

import (
	"fmt"
	"strings"
	"testing"
)

// TestNames changes names of all lengths at each byte. The first object has the names that the schema declares, and is read
// as most writers write it.
func TestNames(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	for length := 1; length <= len(letters); length++ {
		name := letters[:length]
		s := compileSchema(t, fmt.Sprintf(`{"additionalProperties":false,"properties":{"zz":true,%q:{"type":"integer"},"yy":true}}`, name))
		for i := range length {
			other := name[:i] + "_" + name[i+1:]
			for body, want := range map[string]string{
				`{"zz":0,"` + name + `":1}`:           "",
				`{"` + name + `":1,"yy":0,"zz":0}`:    "",
				`{ "` + name + `" : 1 , "yy" : 0 }`:   "",
				`{"` + name + `":""}`:                 "type",
				`{"` + other + `":1}`:                 "additionalProperties",
				`{"zz":0,"` + other + `":1,"yy":0}`:   "additionalProperties",
				`{"` + name + `_":1}`:                 "additionalProperties",
				`{"` + name + `":1,"` + name + `":1}`: "decode",
				`{"zz":0,"` + name + `":1,"zz":0}`:    "decode",
				`{"` + name + `":1,"` + fmt.Sprintf(`\u%04x`, name[0]) + name[1:] + `":1}`: "decode",
			} {
				var got []string
				for _, v := range s.validate([]byte(body), "body", "") {
					got = append(got, v.Keyword)
				}
				if strings.Join(got, " ") != want {
					t.Errorf("%s: %q, want %q", body, got, want)
				}
			}
		}
	}
}
