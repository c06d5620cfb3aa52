package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// node is a JSON object that keeps the order of its members and knows where it was published. The values of a tree are
// *node, []any, string, json.Number, bool and nil.
type node struct {
	members []member
	index   map[string]int // nil for small objects

	pointer string // JSON pointer into the published document
	offset  int    // into the published bytes
	kind    string // of the table of shapes; empty until visited
	target  *node  // that $ref leads to

	// Of schemas only:
	flag    *bool     // of the schemas true and false, which have no members
	base    *resource // that references are relative to; nil is the document
	dynamic *node     // that $dynamicRef leads to, unless an outer schema has the same $dynamicAnchor

	inherited bool // part of the copy of a base; see inlineBase
}

// resource is a schema with an $id, and everything below it. References in it are relative to the $id.
type resource struct {
	uri  string // absolute
	root *node
}

type member struct {
	name   string
	value  any
	offset int
}

// smallNode is the number of members up to which a search is as fast as a map.
const smallNode = 8

func (o *node) find(name string) int {
	if o.index != nil {
		if i, ok := o.index[name]; ok {
			return i
		}
		return -1
	}
	for i := range o.members {
		if o.members[i].name == name {
			return i
		}
	}
	return -1
}

func (o *node) get(name string) (any, bool) {
	if i := o.find(name); i >= 0 {
		return o.members[i].value, true
	}
	return nil, false
}

// text returns the member name if it is a string.
func (o *node) text(name string) string {
	value, _ := o.get(name)
	s, _ := value.(string)
	return s
}

// object returns the member name if it is an object.
func (o *node) object(name string) *node {
	value, _ := o.get(name)
	child, _ := value.(*node)
	return child
}

// list returns the member name if it is a list.
func (o *node) list(name string) []any {
	value, _ := o.get(name)
	list, _ := value.([]any)
	return list
}

// set replaces the member name, or appends it.
func (o *node) set(name string, value any) {
	if i := o.find(name); i >= 0 {
		o.members[i].value = value
		return
	}
	o.members = append(o.members, member{name, value, o.offset})
	o.reindex()
}

func (o *node) remove(name string) {
	if i := o.find(name); i >= 0 {
		o.members = slices.Delete(o.members, i, i+1)
		o.index = nil
		o.reindex()
	}
}

// retain leaves only some of the members, which begin the same slice.
func (o *node) retain(kept []member) {
	if len(kept) < len(o.members) {
		clear(o.members[len(kept):])
		o.members, o.index = kept, nil
		o.reindex()
	}
}

// rename gives a member another name, which no other member has.
func (o *node) rename(i int, name string) {
	if o.index != nil {
		delete(o.index, o.members[i].name)
		o.index[name] = i
	}
	o.members[i].name = name
}

func (o *node) reindex() {
	if len(o.members) <= smallNode {
		return
	}
	if o.index != nil {
		o.index[o.members[len(o.members)-1].name] = len(o.members) - 1
		return
	}
	o.index = make(map[string]int, len(o.members))
	for i := range o.members {
		o.index[o.members[i].name] = i
	}
}

// newNode returns an object that stands for one that was published elsewhere, or in another form.
func newNode(published *node, members ...member) *node {
	o := &node{members: members, pointer: published.pointer, offset: published.offset, kind: published.kind, base: published.base}
	o.reindex()
	return o
}

// clone copies a value, so that the copy can be changed alone.
func clone(value any) any {
	switch value := value.(type) {
	case *node:
		c := *value
		c.members, c.index = make([]member, len(value.members)), nil
		for i, m := range value.members {
			c.members[i] = member{m.name, clone(m.value), m.offset}
		}
		c.reindex()
		return &c
	case []any:
		c := make([]any, len(value))
		for i, item := range value {
			c[i] = clone(item)
		}
		return c
	}
	return value
}

// treeParser builds a tree of a text of which the UTF-8 is valid.
type treeParser struct {
	decoder    *json.Decoder
	duplicates func(o *node, name string, offset int)
}

func parseTree(data []byte, duplicate func(o *node, name string, offset int)) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	p := treeParser{decoder, duplicate}
	value, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotJSON
	}
	return value, nil
}

func (p *treeParser) value(depth int) (any, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, errDepth
	}
	switch token {
	case json.Delim('{'):
		return p.object(depth)
	case json.Delim('['):
		list := []any{}
		for p.decoder.More() {
			item, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		_, err := p.decoder.Token()
		return list, err
	}
	if number, ok := token.(json.Number); ok && !validNumbers(number) {
		return nil, errNumber
	}
	return token, nil
}

func (p *treeParser) object(depth int) (any, error) {
	o := &node{offset: int(p.decoder.InputOffset())}
	for p.decoder.More() {
		token, err := p.decoder.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, errNotJSON
		}
		offset := int(p.decoder.InputOffset())
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if i := o.find(name); i >= 0 {
			p.duplicates(o, name, offset)
			o.members[i].value = value // like encoding/json
			continue
		}
		o.members = append(o.members, member{name, value, offset})
		o.reindex()
	}
	_, err := p.decoder.Token()
	return o, err
}

// appendJSON appends the value as compact JSON.
func appendJSON(b []byte, value any) []byte {
	switch value := value.(type) {
	case *node:
		if value.flag != nil {
			return strconv.AppendBool(b, *value.flag)
		}
		b = append(b, '{')
		for i, m := range value.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, m.name), ':')
			b = appendJSON(b, m.value)
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, item := range value {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item)
		}
		return append(b, ']')
	case string:
		return appendString(b, value)
	case json.Number:
		return append(b, value...)
	case bool:
		return strconv.AppendBool(b, value)
	}
	return append(b, "null"...)
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"', r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r == '\t':
			b = append(b, '\\', 't')
		case r < ' ':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// place is a value on the way down from the root.
type place struct {
	up     *place
	token  string
	offset int
}

func (p *place) pointer() string {
	if p == nil || p.up == nil {
		return ""
	}
	return p.up.pointer() + "/" + escapeToken(p.token)
}

func (p *place) below(token string, offset int) *place { return &place{p, token, offset} }
