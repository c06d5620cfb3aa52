package contract

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/diga-io/diga-api/internal/uuid"
)

// textFormats are the formats of strings that are enforced: those of JSON Schema 2020-12, and those of the OpenAPI format
// registry (https://spec.openapis.org/registry/format/) that have a definite grammar. Every other format is an annotation.
var textFormats = map[string]func(string) error{
	"date":                  checked(isDate),
	"time":                  checked(func(s string) bool { return isTime(s, true) }),
	"time-local":            checked(func(s string) bool { return isTime(s, false) }),
	"date-time":             checked(func(s string) bool { return isDateTime(s, true) }),
	"date-time-local":       checked(func(s string) bool { return isDateTime(s, false) }),
	"duration":              checked(func(s string) bool { return s != "P" && duration(s) }),
	"http-date":             func(s string) error { _, err := http.ParseTime(s); return err },
	"uuid":                  func(s string) error { _, err := uuid.Parse(s); return err },
	"hostname":              checked(isHostname),
	"idn-hostname":          checked(isIDNHostname),
	"email":                 checked(func(s string) bool { return isASCII(s) && isEmail(s) }),
	"idn-email":             checked(isEmail),
	"ipv4":                  checked(isIPv4),
	"ipv6":                  checked(isIPv6),
	"uri":                   checked(func(s string) bool { return isURI(s, false, false) }),
	"uri-reference":         checked(func(s string) bool { return isURI(s, false, true) }),
	"iri":                   checked(func(s string) bool { return isURI(s, true, false) }),
	"iri-reference":         checked(func(s string) bool { return isURI(s, true, true) }),
	"uri-template":          checked(uriTemplate),
	"json-pointer":          checked(matching(jsonPointer)),
	"regex":                 func(s string) error { _, err := compilePattern(s); return err },
	"relative-json-pointer": checked(matching(`(?:0|[1-9][0-9]*)(?:#|` + jsonPointer + `)`)),
	"byte":                  checked(isBase64),
	"base64url":             checked(isBase64),
	"char":                  checked(func(s string) bool { return utf8.RuneCountInString(s) == 1 }),
	"decimal":               checked(matching(`[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?`)),
}

// duration is the grammar of RFC 3339, appendix A. It also matches a P alone.
var duration = matching(`P(?:[0-9]+W|` +
	`(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)?` +
	`(?:T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S))?)`)

const jsonPointer = `(?:/(?:[^/~]|~[01])*)*`

// usualForms return the length of a string at the start of JSON text, if it is written as most writers write the format;
// otherwise 0. They are a fast path: strings of these forms need not be looked through for their end.
var usualForms = map[string]func(string) int{
	"uuid": func(data string) int {
		const length = len(`"018f2b5e-0000-7000-8000-000000000000"`)
		if len(data) < length || data[length-1] != '"' || !uuid.Valid(data[1:length-1]) {
			return 0
		}
		return length
	},
	"date-time": func(data string) int {
		const length = len(`"2006-01-02T15:04:05Z"`)
		if len(data) < length || data[5] != '-' || data[8] != '-' || data[11] != 'T' || data[14] != ':' || data[17] != ':' || data[20:22] != `Z"` {
			return 0
		}
		// Of the digits remain their values, and of the other characters nothing. Adding 6 sets a bit if a value is more than 9.
		const six, highest = 0x0606060606060606, 0xf0f0f0f0f0f0f0f0
		date, clock := word(data[1:])^word("0000-00-"), word(data[9:])^word("00T00:00")
		if (date|clock|(date+six)|(clock+six))&highest != 0 {
			return 0
		}
		value := func(w uint64, i int) uint64 { return w>>(8*i)&0xf*10 + w>>(8*i+8)&0xf }
		month, day, hour, minute := value(date, 5), value(clock, 0), value(clock, 3), value(clock, 6)
		if month-1 > 11 || day-1 > 27 || hour > 23 || minute > 59 || twoDigits(data[18:]) > 59 {
			return 0
		}
		return length
	},
}

var errFormat = errors.New("the text is not of the format")

func checked(is func(string) bool) func(string) error {
	return func(s string) error {
		if !is(s) {
			return errFormat
		}
		return nil
	}
}

// matching returns a function that reports whether a pattern matches the whole of a text. It compiles the pattern at its first
// call, because a document uses few of the formats.
func matching(pattern string) func(string) bool {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\A(?s:` + pattern + `)\z`) })
	return func(s string) bool { return compiled().MatchString(s) }
}

// numberFormats are the formats of numbers that are enforced. They say nothing about strings.
var numberFormats = map[string][]bound{
	"int8": integers("int8", -1<<7, 1<<7-1), "int16": integers("int16", -1<<15, 1<<15-1),
	"int32": integers("int32", -1<<31, 1<<31-1), "int64": integers("int64", -1<<63, 1<<63-1),
	"uint8": integers("uint8", 0, 1<<8-1), "uint16": integers("uint16", 0, 1<<16-1),
	"uint32": integers("uint32", 0, 1<<32-1), "uint64": integers("uint64", 0, 1<<64-1),
	"double-int": integers("double-int", -1<<53+1, 1<<53-1),
	"float":      floats("float", math.MaxFloat32), "double": floats("double", math.MaxFloat64),
}

func integers(format string, lowest int64, highest uint64) []bound {
	return []bound{
		{keyword: "format", format: format, limit: parseDecimal(fmt.Sprint(lowest)), integers: true},
		{keyword: "format", format: format, limit: parseDecimal(fmt.Sprint(highest)), integers: true, upper: true},
	}
}

func floats(format string, highest float64) []bound {
	exact, _ := big.NewFloat(highest).Int(nil)
	limit := exact.String()
	return []bound{
		{keyword: "format", format: format, limit: parseDecimal("-" + limit)},
		{keyword: "format", format: format, limit: parseDecimal(limit), upper: true},
	}
}

var errRange = errors.New("the number is out of the range of the format")

// textFormat returns the check of a format of strings; nil if there is none.
func (c *compiler) textFormat(name string) func(string) error {
	if check, ok := c.formats[name]; ok {
		return check
	}
	return textFormats[name]
}

// isDigits reports whether s contains nothing but decimal digits.
func isDigits(s string) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}

// twoDigits returns the number that two decimal digits at the start of s write; more than 99 if they are none.
func twoDigits(s string) int {
	tens, ones := s[0]-'0', s[1]-'0'
	if tens > 9 || ones > 9 {
		return 100
	}
	return 10*int(tens) + int(ones)
}

// isDate reports whether s is a full-date of RFC 3339.
func isDate(s string) bool {
	if len(s) != len("2006-01-02") || s[4] != '-' || s[7] != '-' {
		return false
	}
	century, year, month, day := twoDigits(s), twoDigits(s[2:]), twoDigits(s[5:]), twoDigits(s[8:])
	if century > 99 || year > 99 || month < 1 || month > 12 || day < 1 {
		return false
	}
	leap := year%4 == 0 && (year > 0 || century%4 == 0)
	return day <= daysOf[month] || leap && month == 2 && day == 29
}

// daysOf has the number of days of each month, from 1 on, except in leap years.
var daysOf = [...]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// isTime reports whether s is a full-time of RFC 3339, or a partial-time without zone.
func isTime(s string, zone bool) bool {
	if len(s) < len("15:04:05") || s[2] != ':' || s[5] != ':' {
		return false
	}
	hour, minute, second := twoDigits(s), twoDigits(s[3:]), twoDigits(s[6:])
	if hour > 23 || minute > 59 || second > 60 {
		return false
	}
	rest := s[8:]
	if zone && rest == "Z" && second < 60 {
		return true
	}
	if fraction, ok := strings.CutPrefix(rest, "."); ok {
		rest = strings.TrimLeft(fraction, "0123456789")
		if len(rest) == len(fraction) {
			return false
		}
	}
	offset := 0
	switch {
	case !zone:
		return rest == ""
	case rest == "Z" || rest == "z":
	case len(rest) == len("+01:00") && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':':
		hours, minutes := twoDigits(rest[1:]), twoDigits(rest[4:])
		if hours > 23 || minutes > 59 {
			return false
		}
		if offset = 60*hours + minutes; rest[0] == '-' {
			offset = -offset
		}
	default:
		return false
	}
	const day = 24 * 60
	return second < 60 || (60*hour+minute-offset+day)%day == day-1 // a leap second is the last one of a day in UTC
}

func isDateTime(s string, zone bool) bool {
	const date = len("2006-01-02")
	return len(s) > date && (s[date] == 'T' || s[date] == 't') && isDate(s[:date]) && isTime(s[date+1:], zone)
}

// isBase64 reports whether s is encoded in base64, of the standard or the URL-safe alphabet.
func isBase64(s string) bool {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	encoding := base64.StdEncoding
	if !strings.HasSuffix(s, "=") {
		encoding = base64.RawStdEncoding
	}
	_, err := encoding.DecodeString(s)
	return err == nil && !strings.ContainsAny(s, "\r\n")
}

func isIPv4(s string) bool {
	address, err := netip.ParseAddr(s)
	return err == nil && address.Is4()
}

func isIPv6(s string) bool {
	address, err := netip.ParseAddr(s)
	return err == nil && address.Is6() && address.Zone() == ""
}

// isEmail reports whether s is a mailbox of RFC 5321, with the international names of RFC 6531.
func isEmail(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || len(s) > 254 {
		return false
	}
	local, domain := s[:at], s[at+1:]
	if local[0] == '"' {
		if !isQuoted(local) {
			return false
		}
	} else if !isDotted(local) {
		return false
	}
	if literal, ok := strings.CutPrefix(domain, "["); ok {
		literal, ok = strings.CutSuffix(literal, "]")
		v6, isV6 := strings.CutPrefix(literal, "IPv6:")
		return ok && (isV6 && isIPv6(v6) || isIPv4(literal))
	}
	return isIDNHostname(domain)
}

// isDotted reports whether s is atoms with dots between them.
func isDotted(s string) bool {
	dot := true // the last character, if it was one
	for i := range len(s) {
		switch {
		case s[i] == '.':
			if dot {
				return false
			}
			dot = true
			continue
		case s[i] < utf8.RuneSelf && asciiClass[s[i]]&atomCharacter == 0:
			return false
		}
		dot = false
	}
	return !dot
}

// isQuoted reports whether s is a quoted string.
func isQuoted(s string) bool {
	if len(s) < 2 || s[len(s)-1] != '"' {
		return false
	}
	s = s[1 : len(s)-1]
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == '\\':
			if i++; i == len(s) || s[i] < ' ' || s[i] > '~' {
				return false
			}
		case b < ' ', b == '"', b == 0x7f:
			return false
		}
	}
	return true
}

// The classes of ASCII characters.
const (
	atomCharacter   = 1 << iota // of a mailbox
	uriCharacter                // permitted somewhere in a URI, except for brackets and percent signs
	schemeCharacter             // of the scheme of a URI, after its first letter
	hostCharacter               // of a host name, anywhere in a label
)

var asciiClass = func() (class [utf8.RuneSelf]uint8) {
	for b := byte('!'); b <= '~'; b++ {
		letterOrDigit := b >= '0' && b <= '9' || b|' ' >= 'a' && b|' ' <= 'z'
		if strings.IndexByte(`"(),:;<>@[\]`, b) < 0 {
			class[b] |= atomCharacter
		}
		if strings.IndexByte("\"<>\\^`{|}[]%", b) < 0 {
			class[b] |= uriCharacter
		}
		if letterOrDigit || strings.IndexByte("+.-", b) >= 0 {
			class[b] |= schemeCharacter
		}
		if letterOrDigit || b == '-' {
			class[b] |= hostCharacter
		}
	}
	return class
}()

func isASCII(s string) bool {
	for len(s) >= 8 {
		if word(s)&0x8080808080808080 != 0 {
			return false
		}
		s = s[8:]
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isHostname reports whether s is a host name of RFC 1123. Labels that begin with xn-- have to be valid by RFC 5891.
func isHostname(s string) bool { return isASCII(s) && isIDNHostname(s) }

// registration validates the labels of a name by RFC 5891, except for the contextual rules of RFC 5892.
var registration = idna.New(idna.ValidateForRegistration(), idna.VerifyDNSLength(true), idna.CheckJoiners(true), idna.BidiRule())

// isIDNHostname reports whether s is a host name of RFC 5890.
func isIDNHostname(s string) bool {
	labels, isInternational := isASCIIHostname(s)
	if isInternational {
		s = fullStops.Replace(s)
		labels, isInternational = isASCIIHostname(s)
	}
	if !isInternational {
		return labels
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

// fullStops are the characters that separate labels like a dot.
var fullStops = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".")

// isASCIIHostname reports whether s is a host name of RFC 1123, unless it contains international characters or labels.
func isASCIIHostname(s string) (ok, international bool) {
	ok = len(s) <= 253
	start := 0 // of the label
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if s[i] >= utf8.RuneSelf {
				return false, true
			}
			ok = ok && asciiClass[s[i]]&hostCharacter != 0
			continue
		}
		label := s[start:i]
		if len(label) >= 4 && label[2:4] == "--" && strings.EqualFold(label[:2], "xn") {
			return false, true
		}
		ok = ok && label != "" && len(label) <= 63 && label[0] != '-' && label[len(label)-1] != '-'
		start = i + 1
	}
	return ok, false
}

// inContext reports whether label obeys the exceptions and the contextual rules of RFC 5892, sections 2.6 and A.3 to A.9.
func inContext(label []rune) bool {
	at := func(i int) rune {
		if i < 0 || i >= len(label) {
			return 0
		}
		return label[i]
	}
	some := func(is func(rune) bool) bool { return slices.ContainsFunc(label, is) }
	for i, r := range label {
		var valid bool
		switch r {
		case '\u00b7': // middle dot
			valid = at(i-1) == 'l' && at(i+1) == 'l'
		case '\u0375': // Greek keraia
			valid = unicode.Is(unicode.Greek, at(i+1))
		case '\u05f3', '\u05f4': // Hebrew geresh and gershayim
			valid = unicode.Is(unicode.Hebrew, at(i-1))
		case '\u30fb': // katakana middle dot
			valid = some(func(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) })
		case '\u0640', '\u07fa', '\u302e', '\u302f', '\u3031', '\u3032', '\u3033', '\u3034', '\u3035', '\u303b':
			valid = false
		default:
			valid = unicode.In(r, unicode.L, unicode.M, unicode.Nd) || strings.ContainsRune("-\u200c\u200d\u06fd\u06fe\u0f0b\u3007", r)
		}
		if '\u0660' <= r && r <= '\u0669' { // Arabic-Indic digits
			valid = !some(func(r rune) bool { return '\u06f0' <= r && r <= '\u06f9' })
		}
		if !valid {
			return false
		}
	}
	return true
}

// isURI reports whether s is a URI of RFC 3986, or an IRI of RFC 3987 if international, or a reference to one.
func isURI(s string, international, reference bool) bool {
	brackets := false
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b < utf8.RuneSelf && asciiClass[b]&uriCharacter != 0:
		case b == '[' || b == ']':
			brackets = true
		case b == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
		case b >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			if !international || !iriCharacter(r) {
				return false
			}
			i += size - 1
		default:
			return false
		}
	}
	s, fragment, _ := strings.Cut(s, "#")
	s, query, _ := strings.Cut(s, "?")
	if strings.Contains(fragment, "#") || brackets && strings.ContainsAny(fragment+query, "[]") {
		return false
	}
	path := s
	if length := schemeLength(s); length > 0 {
		path = s[length:]
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
	return !brackets || !strings.ContainsAny(path, "[]")
}

// schemeLength returns the length of the scheme and the colon at the start of a URI; 0 if there is none.
func schemeLength(s string) int {
	if s == "" || s[0]|' ' < 'a' || s[0]|' ' > 'z' {
		return 0
	}
	for i := range len(s) {
		switch {
		case s[i] == ':':
			return i + 1
		case s[i] >= utf8.RuneSelf || asciiClass[s[i]]&schemeCharacter == 0:
			return 0
		}
	}
	return 0
}

// isAuthority reports whether the characters of a URI are those of an authority: user@host:port.
func isAuthority(s string) bool {
	host := s
	if at := strings.IndexByte(s, '@'); at >= 0 {
		host = s[at+1:]
		if strings.Contains(s[:at], "[") || strings.Contains(s[:at], "]") {
			return false
		}
	}
	var port string
	if literal, ok := strings.CutPrefix(host, "["); ok {
		literal, port, ok = strings.Cut(literal, "]")
		if !ok || !isIPv6(literal) && !ipFuture(literal) || port != "" && port[0] != ':' {
			return false
		}
		port = strings.TrimPrefix(port, ":")
	} else {
		host, port, _ = strings.Cut(host, ":")
		if strings.Contains(host, "[") || strings.Contains(host, "]") || strings.Contains(host, "@") {
			return false
		}
	}
	return isDigits(port)
}

var ipFuture = matching(`[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+`)

// iriCharacter reports whether RFC 3987 permits r, which is not ASCII, in an IRI.
func iriCharacter(r rune) bool {
	switch {
	case 0xe000 <= r && r <= 0xf8ff, 0xfdd0 <= r && r <= 0xfdef, 0xfff0 <= r && r <= 0xffff:
		return false
	}
	return r >= 0xa0 && r&0xfffe != 0xfffe
}

// uriTemplate is an expression of RFC 6570, or a literal character.
var uriTemplate = matching(`(?:\{[+#./;?&=,!@|]?` + variable + `(?:,` + variable + `)*\}|%[0-9A-Fa-f]{2}|[^\x00-\x20\x7f"%<>\\^` + "`" + `{|}])*`)

const (
	variable          = variableCharacter + `(?:\.?` + variableCharacter + `)*(?::[1-9][0-9]{0,3}|\*)?`
	variableCharacter = `(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})`
)
