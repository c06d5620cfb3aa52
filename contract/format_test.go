package contract

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
)

// The formats that are parsed by hand have oracles that are slow and short: regular expressions, and functions that take
// one rule after the other.
var formatOracles = map[string]func(string) bool{
	"uuid": func(s string) bool {
		return regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString(s)
	},
	"email":         func(s string) bool { return slowASCII(s) && slowEmail(s) },
	"idn-email":     slowEmail,
	"hostname":      func(s string) bool { return slowASCII(s) && slowIDNHostname(s) },
	"idn-hostname":  slowIDNHostname,
	"uri":           func(s string) bool { return slowURI(s, false, false) },
	"uri-reference": func(s string) bool { return slowURI(s, false, true) },
	"iri":           func(s string) bool { return slowURI(s, true, false) },
	"iri-reference": func(s string) bool { return slowURI(s, true, true) },
}

var formatSeeds = []string{
	"018f2b5e-0000-7000-8000-00000000000F", "first.last@example.com", `"a\\b c"@example.com`, "a@[127.0.0.1]", "a@[IPv6:::1]", "ü@bücher.example",
	"example.com", "a-b.c--d.e", "xn--bcher-kva.example", "faß.de", "a\u3002b", strings.Repeat("a", 63) + ".b", "l·l.cat",
	"https://user@example.com:80/a/b?c=d#e", "urn:a:b", "//host/path", "mailto:a@b", "http://[::1]:80/", "http://[v1.a]/", "a/b:c", "http://bücher.example/%C3%BC",
}

// mutated returns a seed with some characters inserted, removed or replaced.
func mutated(d *rand.Rand, seeds []string, alphabet string) string {
	s := []rune(seeds[d.IntN(len(seeds))])
	letters := []rune(alphabet)
	for range d.IntN(4) {
		i := d.IntN(len(s) + 1)
		switch letter := letters[d.IntN(len(letters))]; {
		case d.IntN(3) == 0 || i == len(s):
			s = append(s[:i:i], append([]rune{letter}, s[i:]...)...)
		case d.IntN(2) == 0:
			s = append(s[:i:i], s[i+1:]...)
		default:
			s[i] = letter
		}
	}
	return string(s)
}

// TestFormatOracles compares the formats that are parsed by hand with their oracles.
func TestFormatOracles(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 1))
	right, wrong := 0, 0
	for range 5_000 {
		s := mutated(d, formatSeeds, "aZ09fg-.@:/?#[]%\"\\ \t_~ü\u3002\u0301\x7f(,+")
		for name, is := range formatOracles {
			got, want := textFormats[name](s) == nil, is(s)
			if got != want {
				t.Fatalf("%s: %q: %v, the oracle says %v", name, s, got, want)
			}
			if got {
				right++
			} else {
				wrong++
			}
		}
	}
	if t.Logf("%d right, %d wrong", right, wrong); right < 1000 || wrong < 1000 {
		t.Error("too one-sided to mean anything")
	}
}

// TestDates compares with package time.
func TestDates(t *testing.T) {
	for _, year := range []int{0, 1, 4, 100, 400, 1900, 2000, 2023, 2024, 9999} {
		for month := range 14 {
			for day := range 33 {
				s := fmt.Sprintf("%04d-%02d-%02d", year, month, day)
				if _, err := time.Parse(time.DateOnly, s); isDate(s) != (err == nil) {
					t.Errorf("%s: %v", s, err)
				}
			}
		}
	}
}

// TestUsualForms holds the fast paths to the formats.
func TestUsualForms(t *testing.T) {
	seeds := map[string][]string{
		"uuid":      {"018f2b5e-0000-7000-8000-00000000000F"},
		"date-time": {"2026-01-02T03:04:05Z", "2024-12-28T23:59:59Z", "0000-10-10T00:00:00Z"},
	}
	for name, usual := range usualForms {
		for _, seed := range seeds[name] {
			if n := usual(`"` + seed + `"`); n != len(seed)+2 {
				t.Errorf("%s: %s is no usual form", name, seed)
			}
		}
		d := rand.New(rand.NewPCG(1, 3))
		usually := 0
		for range 20_000 {
			s := mutated(d, seeds[name], "0123456789afAFgTZtz:-.,/;?@\u00e9 ")
			switch n := usual(`"` + s + `","next"`); {
			case n == 0:
			case n != len(s)+2 || textFormats[name](s) != nil:
				t.Fatalf("%s: %q has a usual form of %d bytes", name, s, n)
			default:
				usually++
			}
		}
		if t.Logf("%s: %d usual forms", name, usually); usually < 1000 {
			t.Error("too few to mean anything")
		}
	}
}

// TestSequencePattern compares with Go's regexp.
func TestSequencePattern(t *testing.T) {
	d := rand.New(rand.NewPCG(1, 2))
	classes := []string{"a", "ab", "[a-c]", "[^a]", `\\d`, ".", "é", "[é-ü]", `\\.`, "[a-z0-9_-]"}
	repeats := []string{"", "", "{2}", "{1,3}", "*", "+", "?", "{2,}", "+?"}
	sequences := 0
	for range 2000 {
		source := "^"
		for range 1 + d.IntN(3) {
			source += classes[d.IntN(len(classes))] + repeats[d.IntN(len(repeats))]
		}
		source += "$"
		p, err := compilePattern(source)
		if err != nil {
			t.Fatal(err)
		}
		sequence, ok := p.(sequencePattern)
		if !ok {
			continue
		}
		sequences++
		linear, _ := compileLinear(source)
		for range 20 {
			s := mutated(d, []string{"", "a", "ab", "abab", "12", "é", "aé.", "b-1"}, "abc1é.\n-ü")
			if got, want := sequence.MatchString(s), linear.MatchString(s); got != want {
				t.Fatalf("%s matches %q: %v, want %v", source, s, got, want)
			}
		}
	}
	if sequences < 300 {
		t.Errorf("only %d sequences", sequences)
	}
}

func slowEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || len(s) > 254 {
		return false
	}
	local, domain := s[:at], s[at+1:]
	if quoted, ok := strings.CutPrefix(local, `"`); ok {
		if quoted, ok = strings.CutSuffix(quoted, `"`); !ok || !quotedText.MatchString(quoted) {
			return false
		}
	} else {
		for atom := range strings.SplitSeq(local, ".") {
			if atom == "" {
				return false
			}
			for _, r := range atom {
				if r <= ' ' || r == 0x7f || strings.ContainsRune(`"(),:;<>@[\]`, r) {
					return false
				}
			}
		}
	}
	if literal, ok := strings.CutPrefix(domain, "["); ok {
		literal, ok = strings.CutSuffix(literal, "]")
		v6, isV6 := strings.CutPrefix(literal, "IPv6:")
		return ok && (isV6 && isIPv6(v6) || isIPv4(literal))
	}
	return slowIDNHostname(domain)
}

var quotedText = regexp.MustCompile(`^(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*$`)

func slowASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

func slowIDNHostname(s string) bool {
	s = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".").Replace(s)
	if slowASCII(s) && !strings.Contains(strings.ToLower(s), "xn--") {
		return len(s) <= 253 && asciiHostname.MatchString(s)
	}
	s = strings.ToLower(s)
	ascii, err := registration.ToASCII(s)
	if err != nil || strings.HasSuffix(s, ".") {
		return false
	}
	international, err := registration.ToUnicode(ascii)
	if err != nil {
		return false
	}
	for label := range strings.SplitSeq(international, ".") {
		if !inContext([]rune(label)) {
			return false
		}
	}
	return true
}

var asciiHostname = regexp.MustCompile(`^(?i:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.(?i:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?))*$`)

func slowURI(s string, international, reference bool) bool {
	for i, r := range s {
		switch {
		case r == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
		case r > unicode.MaxASCII:
			if !international || !iriCharacter(r) {
				return false
			}
		case r <= ' ' || strings.ContainsRune("\"<>\\^`{|}\x7f", r):
			return false
		}
	}
	s, fragment, _ := strings.Cut(s, "#")
	s, query, _ := strings.Cut(s, "?")
	if strings.ContainsAny(fragment, "#[]") || strings.ContainsAny(query, "[]") {
		return false
	}
	path := s
	if scheme := uriScheme.FindString(s); scheme != "" {
		path = s[len(scheme):]
	} else if first, _, _ := strings.Cut(s, "/"); !reference || strings.Contains(first, ":") {
		return false
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok {
		authority, _, _ := strings.Cut(rest, "/")
		if !isAuthority(authority) {
			return false
		}
		path = rest[len(authority):]
	}
	return !strings.ContainsAny(path, "[]")
}

var uriScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)
