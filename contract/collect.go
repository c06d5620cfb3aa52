package contract

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// collector turns the errors of one validation into violations.
type collector struct {
	offsets    map[string]int // of the keywords, in the order of the document
	in, name   string
	violations []Violation
}

func (c *collector) add(v Violation) {
	if len(c.violations) == maxViolations {
		return
	}
	v.In, v.Name = c.in, c.name
	c.violations = append(c.violations, v)
}

// collect adds the violations of a tree of errors. Wrappers such as $ref and allOf only contribute what they wrap. anyOf
// and oneOf contribute a violation of their own and those of their schemas.
func (c *collector) collect(e *jsonschema.ValidationError) {
	pointer := pointerTo(e.InstanceLocation)
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		c.missing(pointer, k.Missing, "required", e)
		return
	case *kind.DependentRequired:
		c.missing(pointer, k.Missing, "dependentRequired", e)
		return
	case *kind.AdditionalProperties:
		slices.Sort(k.Properties)
		for _, name := range k.Properties {
			c.add(Violation{
				Pointer: pointer + "/" + escapeToken(name), Keyword: "additionalProperties",
				Message: "Extra inputs are not permitted", Err: e,
			})
		}
		return
	case *kind.PropertyNames:
		c.add(Violation{
			Pointer: pointer + "/" + escapeToken(k.Property), Keyword: "propertyNames",
			Message: "Object should not have a member of this name", Err: e,
		})
		return // the causes are about the name, which has no place in the value
	case *kind.Contains, *kind.MinContains:
		c.add(Violation{Pointer: pointer, Keyword: keyword(k), Message: message(k), Err: e})
		return // the causes are why each item does not match
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
	case *kind.Format:
		c.add(Violation{
			Pointer: pointer, Keyword: "format", Format: k.Want,
			Message: "Input should be a valid " + k.Want, Err: k.Err,
		})
	default:
		c.add(Violation{Pointer: pointer, Keyword: keyword(e.ErrorKind), Message: message(e.ErrorKind), Err: e})
	}
	slices.SortStableFunc(e.Causes, func(a, b *jsonschema.ValidationError) int {
		return cmp.Or(
			cmp.Compare(c.rank(a), c.rank(b)),
			slices.CompareFunc(a.InstanceLocation, b.InstanceLocation, compareTokens),
			cmp.Compare(keyword(a.ErrorKind), keyword(b.ErrorKind)),
		)
	})
	for _, cause := range e.Causes {
		c.collect(cause)
	}
}

func (c *collector) missing(pointer string, names []string, keyword string, err error) {
	for _, name := range names {
		c.add(Violation{
			Pointer: pointer + "/" + escapeToken(name), Keyword: keyword, Message: "Field required", Err: err,
		})
	}
}

// rank returns the document offset of the violated keyword. The library keeps properties in a map, so that its errors
// come in no particular order.
func (c *collector) rank(e *jsonschema.ValidationError) int {
	_, fragment, _ := strings.Cut(e.SchemaURL, "#")
	pointer, err := url.PathUnescape(fragment)
	if err != nil {
		return 0
	}
	if offset, ok := c.offsets[pointer+"/"+keyword(e.ErrorKind)]; ok {
		return offset
	}
	return c.offsets[pointer]
}

// compareTokens compares tokens of JSON pointers, and array indices by number.
func compareTokens(a, b string) int {
	i, errA := strconv.Atoi(a)
	j, errB := strconv.Atoi(b)
	if errA == nil && errB == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(a, b)
}

func keyword(k jsonschema.ErrorKind) string {
	switch k.(type) {
	case *kind.Not:
		return "not"
	case *kind.FalseSchema:
		return "false"
	case *kind.InvalidJsonValue:
		return "decode"
	}
	if path := k.KeywordPath(); len(path) > 0 {
		return path[0]
	}
	return "schema"
}

// message describes what the schema wants. It never contains the value.
func message(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return typeMessage(k.Want)
	case *kind.Enum, *kind.Const:
		return "Input should be one of the permitted values"
	case *kind.AnyOf, *kind.OneOf:
		return "Input should fit one of the alternatives"
	case *kind.Not, *kind.FalseSchema:
		return "Input is not permitted here"
	case *kind.MinLength:
		return fmt.Sprintf("String should have at least %s", count(k.Want, "character"))
	case *kind.MaxLength:
		return fmt.Sprintf("String should have at most %s", count(k.Want, "character"))
	case *kind.Pattern:
		return "String should match the declared pattern"
	case *kind.Minimum:
		return "Input should be greater than or equal to " + k.Want.RatString()
	case *kind.Maximum:
		return "Input should be less than or equal to " + k.Want.RatString()
	case *kind.ExclusiveMinimum:
		return "Input should be greater than " + k.Want.RatString()
	case *kind.ExclusiveMaximum:
		return "Input should be less than " + k.Want.RatString()
	case *kind.MultipleOf:
		return "Input should be a multiple of " + k.Want.RatString()
	case *kind.MinItems:
		return fmt.Sprintf("List should have at least %s", count(k.Want, "item"))
	case *kind.MaxItems:
		return fmt.Sprintf("List should have at most %s", count(k.Want, "item"))
	case *kind.UniqueItems:
		return "List should not have equal items"
	case *kind.Contains, *kind.MinContains:
		return "List should have more items of the declared kind"
	case *kind.MaxContains:
		return "List should have fewer items of the declared kind"
	case *kind.MinProperties:
		return fmt.Sprintf("Object should have at least %s", count(k.Want, "member"))
	case *kind.MaxProperties:
		return fmt.Sprintf("Object should have at most %s", count(k.Want, "member"))
	case *kind.InvalidJsonValue:
		return "Input should be a JSON value"
	}
	return "Input should fit the declared schema"
}

func typeMessage(want []string) string {
	names := make([]string, len(want))
	for i, t := range want {
		switch t {
		case "object", "integer", "array":
			names[i] = "an " + t
		case "null":
			names[i] = t
		default:
			names[i] = "a " + t
		}
	}
	return "Input should be " + strings.Join(names, " or ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
