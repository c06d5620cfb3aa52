package contract

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

// pattern is a compiled pattern of a schema.
type pattern interface{ MatchString(s string) bool }

// The limits of patterns that need backtracking. A single match may take matchTimeout. The matches of one pattern that
// take longer than slowMatch may together take maxLoad at once, and a quarter of the time in the long run, so that a
// body with thousands of strings that stay just below the timeout does not stall its request either.
const (
	matchTimeout = 100 * time.Millisecond
	slowMatch    = 100 * time.Microsecond
	maxLoad      = time.Second
)

// errMatchTimeout ends a validation, in which a pattern that needs backtracking took too long.
var errMatchTimeout = errors.New("the pattern took too long to match")

// compilePattern compiles a pattern of a schema. Patterns are regular expressions of ECMA-262 with Unicode semantics.
//
// Go's regexp matches in linear time, so it gets every pattern that can be written for it with the same meaning:
// lookaheads at the start become expressions of their own. Other patterns, such as those with backreferences, need
// backtracking, with a timeout. A pattern that is not ECMA-262 with Unicode semantics at all is taken for what its author
// tested it with: Go's syntax, for (?i) or \A, or else ECMA-262 with its old identity escapes, for \-.
func compilePattern(source string) (pattern, error) {
	if linear, ok := compileLinear(source); ok {
		if sequence, ok := linear.sequence(); ok {
			return sequence, nil
		}
		return linear, nil
	}
	err := checkSyntax(source)
	if err == nil {
		var backtracking pattern
		if backtracking, err = compileBacktracking(source, regexp2.ECMAScript|regexp2.Unicode); err == nil {
			return backtracking, nil
		}
	}
	if re, err := regexp.Compile(source); err == nil {
		return re, nil
	}
	if backtracking, err := compileBacktracking(source, regexp2.ECMAScript); err == nil {
		return backtracking, nil
	}
	return nil, fmt.Errorf("not a regular expression of ECMA-262: %w", err)
}

// checkSyntax rejects what regexp2 accepts beyond ECMA-262 with Unicode semantics.
func checkSyntax(source string) error {
	class := false
	for i := 0; i < len(source); i++ {
		switch b := source[i]; {
		case b == '\\':
			i++
			if i < len(source) && strings.IndexByte(`dDwWsSbBtnrfvxucpPk0123456789^$\.*+?()[]{}|/`, source[i]) < 0 &&
				(!class || source[i] != '-') {
				return errors.New("unknown escape")
			}
		case class:
			class = b != ']'
		case b == '[':
			class = true
		case b == ']':
			return errors.New("unmatched bracket")
		case strings.HasPrefix(source[i:], "(?") && !groupStart().MatchString(source[i:]):
			return errors.New("unknown kind of group")
		}
	}
	return nil
}

// groupStart is compiled at its first use, because few documents need it.
var groupStart = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\(\?(?:[:=!]|<[=!]|<[\pL$_][\pL\pN$_]*>)`) })

// backtrackingPattern is a pattern that needs backtracking.
type backtrackingPattern struct {
	*regexp2.Regexp

	mu   sync.Mutex
	load time.Duration // time spent in slow matches; it decays
	last time.Time     // when load was true
}

func compileBacktracking(source string, mode regexp2.RegexOptions) (*backtrackingPattern, error) {
	re, err := regexp2.Compile(source, mode)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = matchTimeout
	return &backtrackingPattern{Regexp: re}, nil
}

// MatchString panics with errMatchTimeout if the match takes too long. Neither true nor false would reject the value,
// because the pattern may stand below a "not".
func (p *backtrackingPattern) MatchString(s string) bool {
	start := time.Now()
	matched, err := p.Regexp.MatchString(s)
	if end := time.Now(); err != nil || p.overloaded(end, end.Sub(start)) {
		panic(errMatchTimeout)
	}
	return matched
}

// overloaded adds a match that ended at now to the load, and reports whether the load is too high. Fast matches never
// see a high load that others caused.
func (p *backtrackingPattern) overloaded(now time.Time, elapsed time.Duration) bool {
	if elapsed < slowMatch {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load = max(0, p.load-now.Sub(p.last)/4) + elapsed
	p.last = now
	return p.load > maxLoad
}

// linearPattern is a pattern that Go's regexp can match. All of its parts have to match.
type linearPattern struct{ parts []linearPart }

type linearPart struct {
	*regexp.Regexp
	want bool // false for a negative lookahead
}

func (p *linearPattern) MatchString(s string) bool {
	for _, part := range p.parts {
		if part.MatchString(s) != part.want {
			return false
		}
	}
	return true
}

// compileLinear compiles source for Go's regexp if it has the same meaning there.
func compileLinear(source string) (*linearPattern, bool) {
	p := &linearPattern{}
	rest := source
	for strings.HasPrefix(rest, "^(?=") || strings.HasPrefix(rest, "^(?!") {
		end := groupEnd(rest)
		if end < 0 || !p.add("^(?:"+rest[len("^(?="):end]+")", rest[len("^(?")] == '=') {
			return nil, false
		}
		if rest = "^" + rest[end+1:]; len(rest) > 1 && strings.IndexByte("*+?{", rest[1]) >= 0 {
			return nil, false
		}
	}
	if len(p.parts) > 0 && hasAlternatives(rest) { // the lookaheads belong to the first alternative only
		return nil, false
	}
	return p, p.add(rest, true)
}

func (p *linearPattern) add(source string, want bool) bool {
	translated, ok := translate(source)
	if !ok {
		return false
	}
	re, err := regexp.Compile(translated)
	p.parts = append(p.parts, linearPart{re, want})
	return err == nil
}

// sequencePattern is an anchored pattern of character classes, each repeated a fixed number of times, apart from the last
// one. That is what most identifiers and codes have. It is matched without a regular expression.
type sequencePattern []repeatedClass

type repeatedClass struct {
	ascii    [2]uint64 // set of the ASCII characters
	ranges   []rune    // pairs of the first and last character
	min, max int       // max is -1 without limit
}

func (p sequencePattern) MatchString(s string) bool {
	for i := range p {
		c := &p[i]
		n := 0
		for n != c.max && s != "" {
			size := 1
			if b := s[0]; b < utf8.RuneSelf {
				if c.ascii[b/64]&(1<<(b%64)) == 0 {
					break
				}
			} else {
				var r rune
				if r, size = utf8.DecodeRuneInString(s); !c.contains(r) {
					break
				}
			}
			s = s[size:]
			n++
		}
		if n < c.min {
			return false
		}
	}
	return s == ""
}

func (c *repeatedClass) contains(r rune) bool {
	for i := 0; i < len(c.ranges); i += 2 {
		if c.ranges[i] <= r && r <= c.ranges[i+1] {
			return true
		}
	}
	return false
}

// sequence returns the pattern as a sequencePattern, if it is one.
func (p *linearPattern) sequence() (sequencePattern, bool) {
	if len(p.parts) != 1 {
		return nil, false
	}
	parsed, err := syntax.Parse(p.parts[0].String(), syntax.Perl)
	if err != nil || parsed.Op != syntax.OpConcat || len(parsed.Sub) < 3 ||
		parsed.Sub[0].Op != syntax.OpBeginText || parsed.Sub[len(parsed.Sub)-1].Op != syntax.OpEndText {
		return nil, false
	}
	var sequence sequencePattern
	for _, part := range parsed.Sub[1 : len(parsed.Sub)-1] {
		if n := len(sequence); n > 0 && sequence[n-1].min != sequence[n-1].max {
			return nil, false
		}
		c := repeatedClass{min: 1, max: 1}
		switch part.Op {
		case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
			switch part.Op {
			case syntax.OpStar:
				c.min, c.max = 0, -1
			case syntax.OpPlus:
				c.max = -1
			case syntax.OpQuest:
				c.min = 0
			case syntax.OpRepeat:
				c.min, c.max = part.Min, part.Max
			}
			part = part.Sub[0]
		}
		switch {
		case part.Op == syntax.OpCharClass:
			sequence = append(sequence, c.of(part.Rune))
		case part.Op == syntax.OpLiteral && part.Flags&syntax.FoldCase == 0 && (len(part.Rune) == 1 || c.min == 1 && c.max == 1):
			for _, r := range part.Rune {
				sequence = append(sequence, c.of([]rune{r, r}))
			}
		default:
			return nil, false
		}
	}
	return sequence, true
}

// of returns the repetition of another class.
func (c repeatedClass) of(ranges []rune) repeatedClass {
	c.ranges = ranges
	for b := range rune(utf8.RuneSelf) {
		if c.contains(b) {
			c.ascii[b/64] |= 1 << (b % 64)
		}
	}
	return c
}

// groupEnd returns the index of the parenthesis that closes the first group of source; -1 if none does.
func groupEnd(source string) int {
	end := -1
	scanGroups(source, func(i, depth int) bool {
		if source[i] == ')' && depth == 0 {
			end = i
		}
		return end < 0
	})
	return end
}

// hasAlternatives reports whether source has alternatives outside of all groups.
func hasAlternatives(source string) bool {
	found := false
	scanGroups(source, func(i, depth int) bool {
		found = found || source[i] == '|' && depth == 0
		return !found
	})
	return found
}

// scanGroups calls visit for every parenthesis and bar of source that is neither escaped nor in a class, with the depth
// of the groups after it, until visit returns false.
func scanGroups(source string, visit func(i, depth int) bool) {
	depth, class := 0, false
	for i := 0; i < len(source); i++ {
		switch b := source[i]; {
		case b == '\\':
			i++
			continue
		case class:
			class = b != ']'
			continue
		case b == '[':
			class = true
			continue
		case b == '(':
			depth++
		case b == ')':
			depth--
		case b != '|':
			continue
		}
		if !visit(i, depth) {
			return
		}
	}
}

const (
	lineEnds  = `\n\r\x{2028}\x{2029}`
	notSpaces = `\x00-\x08\x0e-\x1f!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}` +
		`\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
	spaces = `\t\n\v\f\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
)

// translate writes an expression of ECMA-262 in the syntax of Go's regexp. It reports false for anything whose meaning
// differs, or might differ.
func translate(source string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(source); {
		var written string
		length := 1
		switch source[i] {
		case '\\':
			written, length = translateEscape(source[i:], false)
		case '[':
			written, length = translateClass(source[i:])
		case '.':
			written = "[^" + lineEnds + "]"
		case '(':
			if strings.HasPrefix(source[i:], "(?") && !strings.HasPrefix(source[i:], "(?:") {
				return "", false
			}
			written = "("
		default:
			written = source[i : i+1]
		}
		if length == 0 {
			return "", false
		}
		out.WriteString(written)
		i += length
	}
	return out.String(), true
}

// translateClass translates the character class at the start of source. Like translateEscape it returns what to write,
// and how many bytes of source that stands for; 0 if it cannot be translated.
func translateClass(source string) (written string, length int) {
	var out strings.Builder
	i := 1
	if strings.HasPrefix(source, "[^") {
		i++
	}
	out.WriteString(source[:i])
	if strings.HasPrefix(source[i:], "]") {
		return "", 0 // the class of no characters, or of all
	}
	dash := false // the last character, if it may begin a range
	for start := i; i < len(source); {
		ranging := dash
		dash = source[i] == '-' && i > start
		switch source[i] {
		case ']':
			out.WriteByte(']')
			return out.String(), i + 1
		case '[':
			if strings.HasPrefix(source[i:], "[:") {
				return "", 0 // a class of POSIX, most likely
			}
			out.WriteString(`\[`)
			i++
		case '\\':
			written, length := translateEscape(source[i:], true)
			isSet := length > 0 && strings.IndexByte("dDwWsSpP", source[i+1]) >= 0
			rest := source[min(i+length, len(source)):]
			if length == 0 || isSet && (ranging || strings.HasPrefix(rest, "-") && !strings.HasPrefix(rest, "-]")) {
				return "", 0 // a set is no end of a range
			}
			out.WriteString(written)
			i += length
		default:
			out.WriteByte(source[i])
			i++
		}
	}
	return "", 0
}

// translateEscape translates the escape at the start of source, in a class or outside.
func translateEscape(source string, class bool) (written string, length int) {
	if len(source) < 2 {
		return "", 0
	}
	switch b := source[1]; b {
	case 'd', 'D', 'w', 'W', 't', 'n', 'r', 'f', 'v':
		return source[:2], 2
	case 'b', 'B':
		if !class {
			return source[:2], 2
		}
	case 's', 'S':
		written = spaces
		if b == 'S' {
			written = notSpaces
		}
		if !class {
			written = "[" + written + "]"
		}
		return written, 2
	case 'x':
		return hexEscape(source, 2)
	case 'u':
		return hexEscape(source, 4)
	case 'c':
		if len(source) > 2 && unicode.IsLetter(rune(source[2])) && source[2] < unicode.MaxASCII {
			return fmt.Sprintf(`\x%02x`, source[2]%32), 3
		}
	case 'p', 'P':
		name, _, closed := strings.Cut(source[2:], "}")
		name, opened := strings.CutPrefix(name, "{")
		_, category := unicode.Categories[name]
		if _, alias := unicode.CategoryAliases[name]; opened && closed && (category || alias) {
			return source[:len(`\p{}`)+len(name)], len(`\p{}`) + len(name)
		}
	default:
		if b < unicode.MaxASCII && !unicode.IsLetter(rune(b)) && !unicode.IsDigit(rune(b)) {
			return source[:2], 2
		}
	}
	return "", 0
}

// hexEscape translates \x or \u with so many digits.
func hexEscape(source string, digits int) (written string, length int) {
	length = 2 + digits
	if len(source) < length {
		return "", 0
	}
	code, err := strconv.ParseUint(source[2:length], 16, 32)
	if err != nil || utf16.IsSurrogate(rune(code)) {
		return "", 0
	}
	return fmt.Sprintf(`\x{%x}`, code), length
}
