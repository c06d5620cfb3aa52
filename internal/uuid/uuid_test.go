package uuid

import (
	"strings"
	"testing"
)

// TestValid tries every byte in every place.
func TestValid(t *testing.T) {
	const id = "018f2b5e-0A00-7000-8bcd-00000000000F"
	for i := range len(id) {
		for b := range 256 {
			s := id[:i] + string([]byte{byte(b)}) + id[i+1:]
			isHyphen := id[i] == '-'
			want := isHyphen && b == '-' || !isHyphen && strings.IndexByte("0123456789abcdefABCDEF", byte(b)) >= 0
			if _, err := Parse(s); Valid(s) != want || (err == nil) != want {
				t.Fatalf("%q: Valid says %v, Parse %v", s, Valid(s), err)
			}
		}
	}
	for _, s := range []string{"", id[1:], id + "0", "{" + id + "}"} {
		if Valid(s) {
			t.Errorf("%q is valid", s)
		}
	}
}
