package contract

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/diga-io/diga-api/internal/levenshtein"
)

// visit checks the members of an object of a kind, repairs those that have another type than the kind says, and collects
// schemas and references.
func (r *reader) visit(o *node, kind string, at *place) {
	o.kind, o.pointer, o.offset = kind, at.pointer(), at.offset
	if kind == "schema" {
		r.schemas = append(r.schemas, o)
		defer func(outer *resource) { r.base = outer }(r.base)
		r.enter(o)
		r.prepareSchema(o)
	}
	if ref, ok := o.get("$ref"); ok {
		if r.visitRef(o, ref) {
			return
		}
	}
	kept := o.members[:0]
	for _, m := range o.members {
		memberKind, known := memberKind(kind, m.name)
		if !known {
			r.unknown(o, kind, m.name)
			if !isMistaken(kind, m.name) {
				kept = append(kept, m)
			}
			continue
		}
		value, ok := r.fit(o, at.below(m.name, m.offset), m.value, memberKind)
		if ok {
			kept = append(kept, member{m.name, value, m.offset})
		}
	}
	o.retain(kept)
	if kind == "schema" {
		r.repairSchema(o)
	}
}

// visitRef collects a reference. It reports whether the object is nothing else.
func (r *reader) visitRef(o *node, ref any) bool {
	if _, ok := ref.(string); !ok {
		r.err(o, "$ref", "ref", "the reference is not a string")
		o.remove("$ref")
		return false
	}
	r.refs = append(r.refs, o)
	switch {
	case o.kind == "schema" && !r.old, o.kind == "path item":
		return false
	case o.kind == "schema":
		// OpenAPI 3.0 ignores what stands beside a $ref. nullable is the exception that authors rely on.
		for _, m := range slices.Clone(o.members) {
			if m.name != "$ref" && m.name != "nullable" && !strings.HasPrefix(m.name, "x-") {
				if assertions[m.name] {
					r.warn(o, m.name, "ref-sibling", "OpenAPI 3.0 ignores %s beside a $ref", m.name)
				}
				if m.name != "description" {
					o.remove(m.name)
				}
			}
		}
		return false
	}
	for _, m := range slices.Clone(o.members) {
		if m.name == "$ref" || m.name == "summary" || m.name == "description" {
			continue
		}
		r.warn(o, m.name, "ref-sibling", "%s beside a $ref is ignored", m.name)
		o.remove(m.name)
	}
	for _, name := range []string{"summary", "description"} {
		if value, ok := o.get(name); ok {
			if _, ok := value.(string); !ok {
				o.remove(name)
			}
		}
	}
	return true
}

func (r *reader) unknown(o *node, kind, name string) {
	if strings.HasPrefix(name, "x-") || r.quiet {
		return
	}
	if similar := misspelled(kind, name); similar != "" {
		r.warn(o, name, "keyword", "the %s has the unknown keyword %q; did the author mean %q?", kind, name, similar)
		return
	}
	key := unknownKeyword{kind, name}
	if u := r.ignored[key]; u != nil {
		u.more++
		return
	}
	pointer, offset := o.at(name)
	r.ignored[key] = &ignoredKeyword{pointer: pointer, offset: offset}
}

// unknownKeyword is a keyword that is not one of its object. FastAPI copies whatever else a field was given into its
// schema, thousands of times, so that each is reported once.
type unknownKeyword struct{ kind, name string }

type ignoredKeyword struct {
	pointer string
	offset  int
	more    int
}

func (r *reader) reportIgnored() {
	for key, u := range r.ignored {
		more := ""
		if u.more > 0 {
			more = fmt.Sprintf(" (and in %d more places)", u.more)
		}
		r.report(Warning, u.pointer, u.offset, "keyword", "the %s has the unknown keyword %q, which is ignored%s", key.kind, key.name, more)
	}
}

// isMistaken reports whether kin-openapi would take an unknown keyword for one of its own, whose value has to be of some
// type: it ignores case.
func isMistaken(kind, name string) bool {
	for known := range shapes[kind] {
		if strings.EqualFold(known, name) {
			return true
		}
	}
	return kind == "schema" && strings.EqualFold(name, "allowEmptyValue") ||
		kind == "header" && (strings.EqualFold(name, "name") || strings.EqualFold(name, "in"))
}

// misspelled returns the keyword that an unknown one is close to.
func misspelled(kind, name string) string {
	plain := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	best, least := "", 3
	for known := range shapes[kind] {
		d := levenshtein.Distance(plain, strings.ToLower(known))
		if d <= min(2, len(known)/3) && (d < least || d == least && known < best) {
			best, least = known, d
		}
	}
	return best
}

// fit returns the value of a member of o as the kind has it. It reports false if the member is to be dropped.
func (r *reader) fit(o *node, at *place, value any, kind string) (any, bool) {
	switch {
	case kind == "any":
		return value, true
	case kind == "ref":
		return value, true // visitRef has looked at it
	case kind[0] == '[':
		return r.fitList(o, at, value, kind[1:len(kind)-1])
	case kind[0] == '{':
		return r.fitMap(o, at, value, kind[1:len(kind)-1])
	case kind == "security":
		return r.fitSecurity(at, value)
	}
	if _, ok := shapes[kind]; ok || kind == "callback" {
		return r.fitObject(o, at, value, kind)
	}
	fitted, ok := scalar(value, kind)
	if !ok {
		return nil, r.misfit(o, at, value, kind)
	}
	if !sameScalar(value, fitted) {
		if list, ok := value.([]any); ok && hasDuplicates(list) {
			r.report(Warning, at.pointer(), at.offset, "duplicate", "the list names something twice")
			return fitted, true
		}
		r.report(Warning, at.pointer(), at.offset, "type", "the value has to be %s", described(kind))
	}
	return fitted, true
}

// misfit reports a value that has the wrong type and cannot be repaired. What decides about values is an error, because
// without it nothing would be enforced; null says nothing, so it is dropped everywhere.
func (r *reader) misfit(o *node, at *place, value any, kind string) bool {
	severity, rule := Warning, "type"
	if value != nil && (kind == "schema" || o.kind == "schema" && assertions[at.token]) {
		severity, rule = Error, "schema"
	}
	r.report(severity, at.pointer(), at.offset, rule, "the value has to be %s", described(kind))
	return false
}

func described(kind string) string {
	switch {
	case kind[0] == '[', kind == "strings":
		return "a list"
	case kind[0] == '{':
		return "an object"
	case kind == "count":
		return "a whole number that is not negative"
	case kind == "type":
		return "the name of a JSON type, or a list of them"
	case kind == "bound":
		return "a number"
	case shapes[kind] != nil, kind == "callback":
		return "an object (" + kind + ")"
	}
	return "a " + kind
}

func (r *reader) fitObject(o *node, at *place, value any, kind string) (any, bool) {
	switch v := value.(type) {
	case *node:
		r.visit(v, kind, at)
		return v, true
	case bool:
		if kind == "schema" {
			return &node{flag: &v, kind: kind, pointer: at.pointer(), offset: at.offset, base: r.base}, true
		}
	case []any:
		if len(v) == 0 { // PHP writes its empty objects like this
			r.report(Warning, at.pointer(), at.offset, "type", "the value has to be %s", described(kind))
			empty := &node{offset: at.offset}
			r.visit(empty, kind, at)
			return empty, true
		}
	case string:
		if kind == "discriminator" {
			r.report(Warning, at.pointer(), at.offset, "type", "the value has to be %s", described(kind))
			mended := &node{offset: at.offset, members: []member{{"propertyName", v, at.offset}}}
			r.visit(mended, kind, at)
			return mended, true
		}
	}
	return nil, r.misfit(o, at, value, kind)
}

func (r *reader) fitList(o *node, at *place, value any, kind string) (any, bool) {
	list, ok := value.([]any)
	if single, isObject := value.(*node); !ok && isObject && kind == "schema" {
		r.report(Warning, at.pointer(), at.offset, "type", "the value has to be a list")
		list, ok = []any{single}, true
	}
	if !ok {
		return nil, r.misfit(o, at, value, "["+kind+"]")
	}
	if kind == "any" {
		return list, true
	}
	kept := list[:0:0]
	for i, item := range list {
		offset := at.offset
		if child, ok := item.(*node); ok {
			offset = child.offset
		}
		if fitted, ok := r.fit(o, at.below(strconv.Itoa(i), offset), item, kind); ok {
			kept = append(kept, fitted)
		}
	}
	return kept, true
}

func (r *reader) fitMap(o *node, at *place, value any, kind string) (any, bool) {
	if list, ok := value.([]any); ok && len(list) == 0 {
		r.report(Warning, at.pointer(), at.offset, "type", "the value has to be an object")
		value = &node{offset: at.offset}
	}
	m, ok := value.(*node)
	if !ok {
		return nil, r.misfit(o, at, value, "{"+kind+"}")
	}
	m.pointer, m.offset, m.kind = at.pointer(), at.offset, "{"+kind+"}"
	extensible := o.kind != "components" && (kind == "path item" || kind == "response")
	kept := m.members[:0]
	for _, entry := range m.members {
		if extensible && strings.HasPrefix(entry.name, "x-") {
			kept = append(kept, entry)
			continue
		}
		below := at.below(entry.name, entry.offset)
		if entry.value == nil && kind == "schema" {
			r.report(Warning, below.pointer(), below.offset, "type", "the value has to be a schema")
			entry.value = &node{offset: entry.offset}
		}
		if fitted, ok := r.fit(m, below, entry.value, kind); ok {
			kept = append(kept, member{entry.name, fitted, entry.offset})
		}
	}
	m.retain(kept)
	return m, true
}

// fitSecurity never drops a requirement: without it, an operation would be open to everybody.
func (r *reader) fitSecurity(at *place, value any) (any, bool) {
	fail := func() (any, bool) {
		r.report(Error, at.pointer(), at.offset, "security", "the value has to be a list of security requirements")
		return nil, false
	}
	list, ok := value.([]any)
	if !ok {
		return fail()
	}
	for i, item := range list {
		requirement, ok := item.(*node)
		if !ok {
			return fail()
		}
		requirement.pointer, requirement.kind = at.pointer()+"/"+strconv.Itoa(i), "security requirement"
		for j, m := range requirement.members {
			if scopes, ok := scalar(m.value, "strings"); ok {
				requirement.members[j].value = scopes
			} else {
				r.warn(requirement, m.name, "type", "the value has to be a list of scopes")
				requirement.members[j].value = []any{}
			}
		}
	}
	return list, true
}

// scalar returns the value in the type of the kind, if it can be taken for one.
func scalar(value any, kind string) (any, bool) {
	switch kind {
	case "string":
		switch v := value.(type) {
		case string:
			return v, true
		case json.Number:
			return v.String(), true
		case bool:
			return strconv.FormatBool(v), true
		}
	case "boolean":
		switch v := value.(type) {
		case bool:
			return v, true
		case string:
			b, err := strconv.ParseBool(strings.ToLower(v))
			return b, err == nil
		}
	case "number", "bound":
		switch v := value.(type) {
		case json.Number:
			return v, isFloat(v)
		case string:
			n := json.Number(strings.TrimSpace(v))
			return n, json.Valid([]byte(n)) && isFloat(n)
		case bool:
			return v, kind == "bound"
		}
	case "count":
		var text string
		switch v := value.(type) {
		case json.Number:
			text = v.String()
		case string:
			text = strings.TrimSpace(v)
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n < 0 || n != float64(uint64(min(n, 1<<62))) && n < 1<<62 {
			return nil, false
		}
		if n >= 1<<31 { // unlimited; the validator computes with int
			return json.Number("2147483647"), true
		}
		if whole := strconv.FormatUint(uint64(n), 10); whole != text {
			return json.Number(whole), true
		}
		return json.Number(text), true
	case "type":
		if name, ok := value.(string); ok {
			return name, true
		}
		return scalar(value, "strings")
	case "strings":
		if s, ok := value.(string); ok {
			return []any{s}, true
		}
		list, ok := value.([]any)
		if !ok {
			return nil, false
		}
		found := list[:0:0]
		seen := make(map[string]bool, len(list))
		for _, item := range list {
			if s, ok := item.(string); ok && !seen[s] {
				seen[s] = true
				found = append(found, s)
			}
		}
		return found, true
	}
	return nil, false
}

func isFloat(n json.Number) bool {
	_, err := n.Float64()
	return err == nil
}

func hasDuplicates(list []any) bool {
	seen := make(map[string]bool, len(list))
	for _, item := range list {
		if s, ok := item.(string); ok {
			if seen[s] {
				return true
			}
			seen[s] = true
		}
	}
	return false
}

// sameScalar reports whether scalar had nothing to repair.
func sameScalar(a, b any) bool {
	if list, ok := a.([]any); ok {
		other, ok := b.([]any)
		return ok && len(list) == len(other)
	}
	if list, ok := b.([]any); ok && list != nil {
		return false
	}
	return a == b
}
