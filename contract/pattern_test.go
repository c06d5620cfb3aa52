package contract

import (
	"strings"
	"testing"
	"time"
)

// TestPattern holds patterns to ECMA-262 where Go's regexp differs, or might.
func TestPattern(t *testing.T) {
	for _, test := range []struct {
		pattern string
		linear  bool // matched by Go's regexp
		right   []string
		wrong   []string
	}{
		{`a`, true, []string{"a", "bab"}, []string{"", "A"}},
		{`^abc$`, true, []string{"abc"}, []string{"abc\n", "x\nabc"}},
		{`^.$`, true, []string{"a", "é", "\u0085"}, []string{"\n", "\r", "\u2028", "\u2029"}},
		{`^\d$`, true, []string{"0"}, []string{"\u07c0"}},
		{`^\D$`, true, []string{"\u07c0"}, []string{"0"}},
		{`^\w$`, true, []string{"a", "_"}, []string{"é"}},
		{`^\W$`, true, []string{"é"}, []string{"a"}},
		{`^\s$`, true, []string{" ", "\t", "\v", "\f", "\u00a0", "\ufeff", "\n", "\u2029", "\u2003"}, []string{"\x01", "\u2013", "\u0085", "\u200b"}},
		{`^\S$`, true, []string{"\x01", "\u2013", "\u0085"}, []string{" ", "\u00a0", "\ufeff"}},
		{`^[\s,]+$`, true, []string{", \u00a0"}, []string{"x"}},
		{`^[^\s,]+$`, true, []string{"x"}, []string{"\u00a0", ","}},
		{`^[^\S]+$`, true, []string{"\u00a0"}, []string{"x"}},
		{`^[\s\S]$`, true, []string{" ", "x", "\n", "\U0010ffff", "\u00a0", "\x00"}, []string{""}},
		{`^[\w-]+$`, true, []string{"a-b"}, []string{"é", "."}},
		{`^[\w\-.]+$`, true, []string{"a-b.c"}, []string{"/"}},
		{`^[\-\d]+$`, true, []string{"-1"}, []string{"a"}},
		{`^[-\d]+$`, true, []string{"-1"}, []string{"a"}},
		{`^[[a]+$`, true, []string{"[a"}, []string{"b"}},
		{`^[]$`, false, nil, []string{"", "a"}},
		{`^[^]$`, false, []string{"a", "\n"}, []string{""}},
		{`\bcat\b`, true, []string{"a cat."}, []string{"cats"}},
		{`^[\b]$`, false, []string{"\b"}, []string{"b"}},
		{`^\t\n\r\f\v$`, true, []string{"\t\n\r\f\v"}, []string{`\t\n\r\f\v`}},
		{`^\cC\cc$`, true, []string{"\x03\x03"}, []string{`\cC\cc`}},
		{`^\0$`, false, []string{"\x00"}, []string{"0"}},
		{`^\x41\u0042$`, true, []string{"AB"}, []string{"ab"}},
		{`^\u{1f432}$`, false, []string{"🐲"}, []string{"u"}},
		{`^\ud83d\udc32*$`, false, []string{"🐲", "🐲🐲"}, []string{"🐉"}},
		{"^🐲*$", true, []string{"", "🐲🐲"}, []string{"🐉", "D"}},
		{`^[\u0041-\u0043]+$`, true, []string{"ABC"}, []string{"D"}},
		{`^\p{Letter}\p{Lu}\P{digit}$`, true, []string{"éÉx"}, []string{"éé৪", "123"}},
		{`^\p{Script=Greek}+$`, false, []string{"αβ"}, []string{"ab"}},
		{`^\/\.\-\$$`, true, []string{"/.-$"}, []string{"/x-$"}},
		{`^(?:ab|cd){2,3}?$`, true, []string{"abcd", "ababab"}, []string{"ab"}},
		{`^(ab)\1$`, false, []string{"abab"}, []string{"ab", "abba"}},
		{`^(?<x>ab)\k<x>$`, false, []string{"abab"}, []string{"ab"}},
		{`^x{1200}$`, false, []string{strings.Repeat("x", 1200)}, []string{"x"}},

		// Lookaheads at the start.
		{`^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$`, true, []string{"1", "-01.50", ".5"}, []string{"", "-", ".", "1e5", "x"}},
		{`^(?!sink_)[a-z_]+$`, true, []string{"a_sink_"}, []string{"sink_a"}},
		{`^(?=.*\d)(?=.*[a-z])(?!.*\s).{3,}$`, true, []string{"a1b"}, []string{"abc", "a1", "a 1"}},
		{`^(?!a)b|c`, false, []string{"b", "ac"}, []string{"ab"}},
		{`^(?!a|b)(c|\|)`, true, []string{"c", "|"}, []string{"a", "b"}},
		{`^(?!a(b|\)))\w`, true, []string{"ac"}, []string{"ab", "a)"}},
		{`^(?=a)*b`, false, []string{"b"}, []string{"ab"}},
		{`a(?!b)`, false, []string{"ac"}, []string{"ab"}},
		{`(?<!a)b`, false, []string{"cb"}, []string{"ab"}},

		// Not ECMA-262 with Unicode semantics.
		{`(?i)^(all|none)$`, false, []string{"ALL", "none"}, []string{"any"}},
		{`\A[[:alpha:]]+\z`, false, []string{"abc"}, []string{"a1"}},
		{`^(?P<x>a)$`, false, []string{"a"}, []string{"b"}},
		{`a(?!\-)`, false, []string{"ab"}, []string{"a-"}},
		{`^[\w-.]+$`, false, []string{"a-b."}, []string{"/"}},
		{`[[:digit:]]$`, false, []string{"1"}, []string{":]"}},
		{`^\-\_\@$`, true, []string{"-_@"}, []string{"-"}},
	} {
		re, err := compilePattern(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		if _, backtracking := re.(*backtrackingPattern); test.linear && backtracking {
			t.Errorf("%s needs backtracking", test.pattern)
		}
		for _, s := range test.right {
			if !re.MatchString(s) {
				t.Errorf("%s does not match %q", test.pattern, s)
			}
		}
		for _, s := range test.wrong {
			if re.MatchString(s) {
				t.Errorf("%s matches %q", test.pattern, s)
			}
		}
	}
	for _, pattern := range []string{`(`, `[a`, `a**`, `\`, `(?`, `^(?!`, `^(?=a`, `[\`} {
		if re, err := compilePattern(pattern); err == nil {
			t.Errorf("%s is compiled, to %T", pattern, re)
		}
	}
}

// TestPatternLoad is for many matches that stay just below the timeout.
func TestPatternLoad(t *testing.T) {
	var p backtrackingPattern
	now := time.Now()
	for i := range 100 {
		now = now.Add(time.Millisecond)
		if p.overloaded(now, maxLoad/50) != (i >= 50) {
			t.Errorf("match %d", i)
		}
		if p.overloaded(now, slowMatch/2) {
			t.Error("a fast match is rejected")
		}
	}
	if now = now.Add(time.Minute); p.overloaded(now, maxLoad/50) {
		t.Error("the load does not decay")
	}
}
