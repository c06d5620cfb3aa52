package levenshtein_test

import (
	"testing"

	"github.com/diga-io/diga-api/internal/levenshtein"
)

func TestDistance(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"", "abc"}: 3, {"same", "same"}: 0, {"kitten", "sitting"}: 3, {"flaw", "lawn"}: 2, {"ab", "ba"}: 2, {"paths", "path"}: 1,
	} {
		if got := levenshtein.Distance(pair[0], pair[1]); got != want {
			t.Errorf("%q: %d, want %d", pair, got, want)
		}
		if got := levenshtein.Distance(pair[1], pair[0]); got != want {
			t.Errorf("%q in reverse: %d, want %d", pair, got, want)
		}
	}
}
