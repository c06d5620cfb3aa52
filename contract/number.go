package contract

import (
	"cmp"
	"strconv"
	"strings"
)

// The limits of numbers. Exact arithmetic with a few bytes such as 1e999999 means megabytes of digits. No float64 has
// such an exponent, or needs so many digits.
const (
	maxExponent     = 400
	maxNumberLength = 1000
)

// validNumber reports whether a JSON number is within the limits.
func validNumber(number string) bool {
	if len(number) < 4 { // like 1e9
		return true
	}
	if len(number) > maxNumberLength {
		return false
	}
	i := strings.IndexAny(number, "eE")
	if i < 0 {
		return true
	}
	exponent, err := strconv.Atoi(number[i+1:])
	return err == nil && exponent <= maxExponent && exponent >= -maxExponent
}

// decimal is the exact value of a JSON number.
type decimal struct {
	negative bool
	digits   string // without zeros at either end; empty for zero
	exponent int    // of the last digit
}

// parseDecimal parses a JSON number within the limits.
func parseDecimal(number string) decimal {
	var d decimal
	number, d.negative = strings.CutPrefix(number, "-")
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		d.exponent, _ = strconv.Atoi(number[i+1:])
		number = number[:i]
	}
	if whole, fraction, ok := strings.Cut(number, "."); ok {
		number = whole + fraction
		d.exponent -= len(fraction)
	}
	d.digits = strings.TrimRight(number, "0")
	d.exponent += len(number) - len(d.digits)
	if d.digits = strings.TrimLeft(d.digits, "0"); d.digits == "" {
		return decimal{}
	}
	return d
}

func (d decimal) isInteger() bool { return d.exponent >= 0 }

// compare returns -1, 0 or 1, as cmp.Compare.
func (d decimal) compare(other decimal) int {
	sign := 1
	switch {
	case d.digits == "" && other.digits == "":
		return 0
	case d.digits == "":
		return map[bool]int{true: 1, false: -1}[other.negative]
	case other.digits == "" || d.negative != other.negative:
		if d.negative {
			return -1
		}
		return 1
	case d.negative:
		sign = -1
	}
	return sign * cmp.Or(
		cmp.Compare(len(d.digits)+d.exponent, len(other.digits)+other.exponent), // where the first digits stand
		strings.Compare(d.digits, other.digits),
	)
}

// append appends the number as JSON. Equal numbers are the same text.
func (d decimal) append(b []byte) []byte {
	const longest = 20 // that is written without an exponent
	if d.digits == "" {
		return append(b, '0')
	}
	if d.negative {
		b = append(b, '-')
	}
	b = append(b, d.digits...)
	switch {
	case d.exponent == 0:
	case d.exponent > 0 && len(d.digits)+d.exponent <= longest:
		b = append(b, strings.Repeat("0", d.exponent)...)
	default:
		b = strconv.AppendInt(append(b, 'e'), int64(d.exponent), 10)
	}
	return b
}
