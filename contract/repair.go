package contract

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// inlinePathItems replaces references to path items, wherever they lead, with copies: kin-openapi follows only some of
// them, and the generator none.
func (r *reader) inlinePathItems() {
	for i := 0; i < len(r.refs); i++ {
		o := r.refs[i]
		if o.kind != "path item" {
			continue
		}
		r.refs = slices.Delete(r.refs, i, i+1)
		i--
		target, _ := r.find(o, "path item")
		if target == nil {
			o.remove("$ref")
			continue
		}
		item := clone(target).(*node)
		for range 100 { // more is a cycle
			if item.find("$ref") < 0 {
				break
			}
			next, _ := r.find(item, "path item")
			item.remove("$ref")
			if next != nil {
				for _, m := range clone(next).(*node).members {
					if item.find(m.name) < 0 {
						item.set(m.name, m.value)
					}
				}
			}
		}
		if item.find("$ref") >= 0 {
			r.err(o, "", "cycle", "the reference leads in a circle")
			item.remove("$ref")
		}
		if strings.Contains(o.pointer, "/callbacks/") {
			// The copy of a callback would contain a copy of itself.
			for _, m := range item.members {
				if operation, ok := m.value.(*node); ok {
					operation.remove("callbacks")
				}
			}
		}
		r.quiet = true
		o.remove("$ref")
		r.visit(item, "path item", placeOf(o))
		r.quiet = false
		for _, m := range item.members {
			if o.find(m.name) < 0 {
				o.set(m.name, m.value)
			}
		}
	}
}

// find returns what the reference of o leads to.
func (r *reader) find(o *node, kind string) (*node, bool) {
	ref := o.text("$ref")
	target, ok := r.follow(o, ref, kind)
	if !ok && !strings.HasPrefix(ref, "#") {
		r.err(o, "$ref", "ref", "the reference %q leads out of the document", ref)
	} else if !ok {
		r.err(o, "$ref", "ref", "the reference %q leads to nothing", ref)
	}
	return target, ok
}

func (r *reader) follow(o *node, ref, kind string) (*node, bool) {
	if pointer, ok := fragment(ref); ok && o.base == nil {
		return r.lookup(r.root, pointer, kind)
	}
	if kind != "schema" {
		return nil, false
	}
	r.base = o.base
	uri, fragment, ok := r.absolute(ref)
	r.base = nil
	if !ok {
		return nil, false
	}
	if fragment != "" && fragment[0] != '/' {
		target := r.ids[uri+"#"+fragment]
		return target, target != nil
	}
	root := r.ids[uri]
	if uri == documentURL {
		root = r.root
	}
	if root != nil && (fragment == "" && root != r.root) {
		return root, true
	}
	if root != nil && fragment != "" {
		if target, ok := r.lookup(root, fragment, kind); ok {
			return target, true
		}
	}
	if strings.HasPrefix(ref, "#/") { // authors who write an $id do not always mean it
		return r.lookup(r.root, fragment, kind)
	}
	return nil, false
}

// lookup returns the object that a JSON pointer relative to root leads to. On its way it follows references.
func (r *reader) lookup(root *node, pointer, kind string) (*node, bool) {
	var value, parent any = root, nil
	last := ""
	for _, token := range splitPointer(pointer) {
		next, ok := child(value, token)
		for range 100 {
			o, isObject := value.(*node)
			if ok || !isObject || o.text("$ref") == "" {
				break
			}
			inner, local := fragment(o.text("$ref"))
			if !local || strings.HasPrefix(pointer, inner+"/") && inner == o.pointer {
				break
			}
			if value, local = valueAt(r.root, inner); !local {
				break
			}
			next, ok = child(value, token)
		}
		if !ok {
			return nil, false
		}
		parent, value, last = value, next, token
	}
	if flag, ok := value.(bool); ok && kind == "schema" {
		// kin-openapi and the generator follow references to objects only.
		o := &node{pointer: pointer, kind: "schema"}
		if !flag {
			o.set("not", &node{pointer: pointer, kind: "schema"})
		}
		// A schema at an unknown place.
		switch parent := parent.(type) {
		case *node:
			o.offset = parent.offset
			parent.set(last, o)
		case []any:
			i, _ := strconv.Atoi(last)
			parent[i] = o
		}
		r.schemas = append(r.schemas, o)
		value = o
	}
	o, ok := value.(*node)
	if !ok || o == r.root {
		return nil, false
	}
	if o.flag != nil {
		if !*o.flag {
			o.set("not", &node{pointer: o.pointer, kind: "schema", base: o.base})
		}
		o.flag = nil
		r.schemas = append(r.schemas, o)
	}
	if o.kind == "" {
		o.pointer = root.pointer + pointer
		r.visit(o, kind, placeOf(o))
	}
	return o, true
}

// valueAt returns the value that a JSON pointer leads to.
func valueAt(value any, pointer string) (any, bool) {
	for _, token := range splitPointer(pointer) {
		var ok bool
		if value, ok = child(value, token); !ok {
			return nil, false
		}
	}
	return value, true
}

// resolve finds what every reference leads to. A broken one is removed, so that the rest of the document can be checked.
func (r *reader) resolve() {
	for i := 0; i < len(r.refs); i++ {
		o := r.refs[i]
		target, ok := r.find(o, o.kind)
		if ok && target.kind != o.kind {
			ok = r.convert(o, target)
			if !ok {
				r.err(o, "$ref", "ref", "the reference leads to %s, where %s has to be", aKind(target.kind), aKind(o.kind))
			}
			if ok {
				continue
			}
		}
		if !ok {
			o.remove("$ref")
			continue
		}
		r.targets[o] = target
	}
}

func aKind(kind string) string {
	switch {
	case kind == "" || kind[0] == '{':
		return "something else"
	case strings.ContainsRune("aeiou", rune(kind[0])):
		return "an " + kind
	}
	return "a " + kind
}

// convertible are the kinds that say enough to stand for another.
var convertible = map[[2]string]bool{
	{"header", "parameter"}: true, {"response", "request body"}: true, {"request body", "response"}: true,
}

// convert puts a copy of target in the place of o, without the members that an object of its kind does not have.
func (r *reader) convert(o, target *node) bool {
	if !convertible[[2]string{o.kind, target.kind}] {
		return false
	}
	r.warn(o, "$ref", "ref", "the reference leads to %s, which is read as %s", aKind(target.kind), aKind(o.kind))
	c := clone(target).(*node)
	for _, m := range slices.Clone(c.members) {
		if _, known := memberKind(o.kind, m.name); !known {
			c.remove(m.name)
		}
	}
	o.members, o.index = c.members, nil
	o.reindex()
	r.quiet = true
	r.visit(o, o.kind, placeOf(o))
	r.quiet = false
	return true
}

// deref follows references to the object that is none.
func (r *reader) deref(o *node) *node {
	for range 100 { // findCycles has removed the cycles
		target := r.targets[o]
		if target == nil {
			break
		}
		o = target
	}
	return o
}

// findCycles reports references in a circle. A validator, and the generator, would follow them for ever.
func (r *reader) findCycles() {
	const visiting, done = 1, 2
	state := make(map[*node]int)
	costs := make(map[*node]cost)
	var stack []*node
	var visit func(o *node)
	follow := func(target *node) {
		switch state[target] {
		case visiting:
			r.breakCycle(append(slices.Clone(stack[slices.Index(stack, target):]), target))
		case 0:
			visit(target)
		}
	}
	visit = func(o *node) {
		state[o] = visiting
		stack = append(stack, o)
		own := cost{depth: 1, schemas: 1}
		defer func() {
			state[o] = done
			stack = stack[:len(stack)-1]
			if own.depth > maxDepth || own.schemas > maxSchemas {
				r.err(o, "", "cost", "more than %d schemas, or a chain of more than %d, apply to one value", maxSchemas, maxDepth)
				own = cost{}
			}
			costs[o] = own
		}()
		if target := r.targets[o]; target != nil {
			follow(target)
			own.add(costs[target])
		}
		if o.kind != "schema" {
			return
		}
		below := func(value any) {
			if s, ok := value.(*node); ok {
				follow(s)
				own.add(costs[s])
			}
		}
		for _, name := range inPlace {
			value, _ := o.get(name)
			if list, ok := value.([]any); ok {
				for _, item := range list {
					below(item)
				}
			}
			below(value)
		}
		if dependent := o.object("dependentSchemas"); dependent != nil {
			for _, m := range dependent.members {
				below(m.value)
			}
		}
	}
	for i := 0; i < len(r.refs); i++ {
		if o := r.refs[i]; state[o] == 0 && r.targets[o] != nil {
			visit(o)
		}
	}
	for i := 0; i < len(r.schemas); i++ {
		if s := r.schemas[i]; state[s] == 0 {
			visit(s)
		}
	}
}

// maxSchemas bounds how many schemas a validator applies to one value, which doubles with every level of a document that
// refers to each level twice.
const maxSchemas = 100_000

// cost is what it costs to decide about one value.
type cost struct{ depth, schemas int }

func (c *cost) add(part cost) {
	c.depth = max(c.depth, part.depth+1)
	c.schemas += part.schemas
}

// breakCycle removes a reference from a cycle, of which the last element is the first. That is an error, apart from the
// cycle that authors write to express inheritance: the base lists its variants in oneOf or anyOf, and each variant refers
// to the base in allOf. The variants get a base without the list.
func (r *reader) breakCycle(cycle []*node) {
	var broken *node
	for i, o := range cycle[:len(cycle)-1] {
		base := cycle[i+1]
		if r.targets[o] != base {
			continue
		}
		broken = o
		if o.kind != "schema" || base.find("oneOf") < 0 && base.find("anyOf") < 0 {
			continue
		}
		r.warn(o, "$ref", "cycle", "the reference leads back to a schema that lists this one; it is read without that list")
		r.inlineBase(o, base)
		return
	}
	r.err(broken, "$ref", "cycle", "the reference leads in a circle, so that nothing can be decided about a value")
	broken.remove("$ref")
	delete(r.targets, broken)
}

// inlineBase replaces the reference of o with what base says apart from its variants.
func (r *reader) inlineBase(o, base *node) {
	c := newNode(base)
	for _, m := range base.members {
		if m.name != "oneOf" && m.name != "anyOf" && m.name != "discriminator" && m.name != "$anchor" {
			c.set(m.name, clone(m.value))
		}
	}
	o.remove("$ref")
	delete(r.targets, o)
	before := len(r.refs)
	r.quiet, r.base = true, base.base
	r.visit(c, "schema", placeOf(base))
	r.quiet, r.base = false, nil
	for _, ref := range r.refs[before:] {
		if target, ok := r.find(ref, ref.kind); ok {
			r.targets[ref] = target
		}
	}
	for _, m := range c.members {
		if o.find(m.name) < 0 {
			o.set(m.name, m.value)
		}
	}
	if target := r.targets[c]; target != nil {
		r.targets[o] = target
		delete(r.targets, c)
	}
}

// placeOf returns the place where o was published.
func placeOf(o *node) *place {
	at := &place{offset: o.offset}
	for _, token := range splitPointer(o.pointer) {
		at = at.below(token, o.offset)
	}
	return at
}

var badName = regexp.MustCompile(`[^a-zA-Z0-9._-]+`)

// nameComponents moves what references lead to into components, where kin-openapi and the generator find it, and rewrites
// all references accordingly.
func (r *reader) nameComponents() {
	components := r.root.object("components")
	if components == nil {
		components = &node{pointer: "/components", kind: "components", offset: r.root.offset}
	}
	r.named = make(map[*node]string)
	taken := make(map[string]bool)
	for _, m := range components.members {
		section, ok := m.value.(*node)
		kind := strings.Trim(shapes["components"][m.name], "{}")
		if !ok || kind == "" {
			continue
		}
		for _, entry := range section.members {
			taken[m.name+"/"+entry.name] = true
		}
		for i, entry := range section.members {
			o, ok := entry.value.(*node)
			if name := strings.Trim(badName.ReplaceAllString(entry.name, "_"), "_"); name != entry.name {
				r.warn(section, entry.name, "component-name",
					"the name %q has other characters than letters, digits, dots, hyphens and underscores", entry.name)
				section.members[i].name = free(taken, m.name, name)
				section.index = nil
				section.reindex()
			}
			if ok {
				r.named[o] = section.members[i].name
			}
		}
	}
	moved := make(map[*node]*node) // from where something was to where it is
	name := func(target *node, kind string) string {
		if to := moved[target]; to != nil {
			target = to
		}
		if name, ok := r.named[target]; ok {
			return name
		}
		section := components.object(sections[kind])
		if section == nil {
			section = &node{pointer: "/components/" + sections[kind], kind: "{" + kind + "}", offset: r.root.offset}
			components.set(sections[kind], section)
		}
		component := *target
		name := free(taken, sections[kind], componentName(target.pointer))
		section.set(name, &component)
		r.named[&component], moved[target] = name, &component
		if inner := r.targets[target]; inner != nil {
			r.targets[&component] = inner
			r.refs = append(r.refs, &component)
		}
		if kind == "schema" {
			r.schemas = append(r.schemas, &component)
		}
		*target = node{pointer: target.pointer, offset: target.offset, kind: target.kind, location: target.location}
		target.set("$ref", reference("/components/"+sections[kind]+"/"+name))
		r.targets[target] = &component
		return name
	}
	for i := 0; i < len(r.refs); i++ {
		o := r.refs[i]
		target := r.targets[o]
		if target == nil {
			continue
		}
		if sections[o.kind] == "" || o.kind == "media type" {
			o.members, o.index = clone(r.deref(target)).(*node).members, nil
			o.reindex()
			continue
		}
		o.set("$ref", reference("/components/"+sections[o.kind]+"/"+name(target, o.kind)))
	}
	for _, s := range slices.Clone(r.schemas) {
		d := s.object("discriminator")
		if d == nil {
			continue
		}
		mapping := d.object("mapping")
		if mapping == nil {
			continue
		}
		for _, m := range slices.Clone(mapping.members) {
			value := m.value.(string)
			pointer, ok := fragment(value)
			if !ok {
				pointer = "/components/schemas/" + escapeToken(value)
			}
			if target, ok := r.lookup(r.root, pointer, "schema"); ok && target.kind == "schema" {
				mapping.set(m.name, reference("/components/schemas/"+name(target, "schema")))
			} else {
				r.warn(mapping, m.name, "discriminator", "the mapping to %q leads to no schema and is ignored", value)
				mapping.remove(m.name)
			}
		}
	}
	if len(components.members) > 0 {
		r.root.set("components", components)
	}
}

// free returns the first of name, name_2, name_3, ... that is not taken in the section.
func free(taken map[string]bool, section, name string) string {
	candidate := name
	for i := 2; candidate == "" || taken[section+"/"+candidate]; i++ {
		candidate = fmt.Sprintf("%s_%d", name, i)
	}
	taken[section+"/"+candidate] = true
	return candidate
}

// componentName makes the name of a component from where it was found, without the words of OpenAPI.
func componentName(pointer string) string {
	var words []string
	tokens := splitPointer(pointer)
	for i, token := range tokens {
		switch token {
		case "components", "schemas", "paths", "properties", "$defs", "definitions", "schema", "content", "parameters",
			"responses", "requestBodies", "headers", "examples", "links", "callbacks", "pathItems":
			if i != len(tokens)-1 {
				continue
			}
		case "application/json":
			continue
		}
		words = append(words, strings.Trim(badName.ReplaceAllString(token, "_"), "_"))
	}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), "_")
}

// repair repairs what the document says about operations.
func (r *reader) repair() {
	r.repairInfo()
	r.repairServers(r.root)
	r.repairTags()
	r.checkSchemes()
	r.repairSecurity(r.root)
	paths := r.root.object("paths")
	if paths == nil {
		paths = &node{pointer: "/paths", kind: "{path item}", offset: r.root.offset}
		r.root.set("paths", paths)
		if r.root.object("webhooks") == nil && r.root.object("components") == nil {
			r.warn(r.root, "", "paths", "the document has no paths")
		}
	}
	r.repairPaths(paths)
	if components := r.root.object("components"); components != nil {
		for _, kind := range [...]string{"response", "parameter", "header", "request body"} {
			section := components.object(sections[kind])
			if section == nil {
				continue
			}
			for _, m := range section.members {
				r.repairPart(m.value.(*node))
			}
		}
	}
	for _, section := range [...]string{"webhooks"} {
		items := r.root.object(section)
		if items == nil {
			continue
		}
		for _, m := range items.members {
			if item, ok := m.value.(*node); ok {
				r.repairItem(item)
			}
		}
	}
	if components := r.root.object("components"); components != nil {
		// Everything that refers to path items has a copy of its own.
		components.remove("pathItems")
		components.remove("mediaTypes")
	}
}

func (r *reader) repairInfo() {
	info := r.root.object("info")
	if info == nil {
		r.warn(r.root, "info", "info", "the document has no info")
		info = &node{pointer: "/info", kind: "info", offset: r.root.offset}
		r.root.set("info", info)
	}
	for _, name := range [...]string{"title", "version"} {
		if info.text(name) == "" {
			r.warn(info, name, "info", "the document has no %s", name)
			if info.find(name) < 0 {
				info.set(name, "")
			}
		}
	}
	if license := info.object("license"); license != nil && license.text("name") == "" {
		r.warn(license, "name", "info", "the license has no name")
	}
}

func (r *reader) repairTags() {
	seen := map[string]bool{}
	tags := r.root.list("tags")
	kept := tags[:0:0]
	for _, item := range tags {
		tag := item.(*node)
		name := tag.text("name")
		if seen[name] {
			r.warn(tag, "", "duplicate", "two tags have the name %q", name)
			continue
		}
		seen[name] = true
		kept = append(kept, item)
	}
	if len(kept) < len(tags) {
		r.root.set("tags", kept)
	}
}

func (r *reader) repairServers(o *node) {
	servers := o.list("servers")
	kept := servers[:0:0]
	for _, item := range servers {
		server := item.(*node)
		address := server.text("url")
		if address == "" {
			r.warn(server, "url", "server", "a server without a URL is ignored")
			continue
		}
		variables := server.object("variables")
		used := map[string]bool{}
		for _, match := range serverVariable.FindAllStringSubmatch(address, -1) {
			used[match[1]] = true
			if variables == nil {
				variables = newNode(server)
				server.set("variables", variables)
			}
			if variables.object(match[1]) == nil {
				r.warn(server, "url", "server", "the variable %q of the URL is not declared", match[1])
				variables.set(match[1], newNode(server, member{"default", match[1], server.offset}))
			}
		}
		if strings.Count(address, "{") != len(serverVariable.FindAllString(address, -1)) ||
			strings.Count(address, "{") != strings.Count(address, "}") {
			r.warn(server, "url", "server", "a server with a malformed URL is ignored")
			continue
		}
		if variables != nil {
			for _, m := range slices.Clone(variables.members) {
				variable := m.value.(*node)
				if !used[m.name] {
					r.warn(variables, m.name, "server", "the URL does not use the variable %q", m.name)
					variables.remove(m.name)
					continue
				}
				r.repairVariable(variable)
			}
			if len(variables.members) == 0 {
				server.remove("variables")
			}
		}
		kept = append(kept, item)
	}
	if len(kept) < len(servers) {
		o.set("servers", kept)
	}
}

var serverVariable = regexp.MustCompile(`{([^{}]+)}`)

func (r *reader) repairVariable(variable *node) {
	values := variable.list("enum")
	if variable.find("enum") >= 0 && len(values) == 0 {
		r.warn(variable, "enum", "empty", "an empty enum is ignored")
		variable.remove("enum")
	}
	value, ok := variable.get("default")
	switch {
	case !ok:
		r.warn(variable, "", "server", "the variable has no default")
		value := any("")
		if len(values) > 0 {
			value = values[0]
		}
		variable.set("default", value)
	case len(values) > 0 && !slices.Contains(values, value):
		r.warn(variable, "default", "default", "the default of the variable is none of its values")
		variable.set("enum", append(slices.Clip(values), value))
	}
}

// checkSchemes reports security schemes that say too little. Options.Authenticate gets them all the same.
func (r *reader) checkSchemes() {
	components := r.root.object("components")
	if components == nil || components.object("securitySchemes") == nil {
		return
	}
	needs := map[string][]string{
		"apiKey": {"name", "in"}, "http": {"scheme"}, "oauth2": {"flows"}, "openIdConnect": {"openIdConnectUrl"}, "mutualTLS": nil,
	}
	for _, m := range components.object("securitySchemes").members {
		scheme := r.deref(m.value.(*node))
		required, ok := needs[scheme.text("type")]
		if !ok {
			r.warn(scheme, "type", "security-scheme", "the type %q of a security scheme is none of OpenAPI", scheme.text("type"))
		}
		for _, name := range required {
			if scheme.find(name) < 0 {
				r.warn(scheme, "", "security-scheme", "a security scheme of type %s has a member %q", scheme.text("type"), name)
			}
		}
	}
}

// repairSecurity checks that the schemes of the security requirements of o are defined.
func (r *reader) repairSecurity(o *node) {
	var schemes *node
	if components := r.root.object("components"); components != nil {
		schemes = components.object("securitySchemes")
	}
	for _, item := range o.list("security") {
		requirement := item.(*node)
		for _, m := range requirement.members {
			if schemes == nil || schemes.object(m.name) == nil {
				r.err(requirement, m.name, "security", "the security scheme %q is not defined", m.name)
			}
		}
	}
}

// methods are the members of a path item that are operations.
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}

type operation struct {
	method string
	*node
}

// operations returns the operations of a path item, in the order of the document.
func operations(item *node) []operation {
	var found []operation
	for _, m := range item.members {
		if o, ok := m.value.(*node); ok && slices.Contains(methods, m.name) {
			found = append(found, operation{strings.ToUpper(m.name), o})
		}
	}
	if more := item.object("additionalOperations"); more != nil {
		for _, m := range more.members {
			if o, ok := m.value.(*node); ok {
				found = append(found, operation{m.name, o})
			}
		}
	}
	return found
}

func (r *reader) repairPaths(paths *node) {
	type key struct{ method, template string }
	seen := make(map[key]*node)
	routes := make(map[key]*node)
	templates := make(map[string]string)
	ids := make(map[string]bool)
	for _, m := range paths.members {
		item, ok := m.value.(*node)
		if !ok || strings.HasPrefix(m.name, "x-") {
			continue
		}
		for _, o := range operations(item) {
			ids[o.text("operationId")] = true
		}
	}
	used := make(map[string]bool)
	for i := range paths.members {
		m := &paths.members[i]
		item, ok := m.value.(*node)
		if !ok || strings.HasPrefix(m.name, "x-") {
			continue
		}
		if !strings.HasPrefix(m.name, "/") {
			r.warn(item, "", "path", "the path does not begin with a slash")
			if m.name = "/" + m.name; paths.find(m.name) != i && paths.find(m.name) >= 0 {
				r.err(item, "", "path", "the path is declared twice")
			}
			paths.index = nil
			paths.reindex()
		}
		r.checkPath(item, m.name)
		template := pathParameter.ReplaceAllString(m.name, "{}")
		if other, ok := templates[template]; ok {
			r.warn(item, "", "path-names", "the path differs from %s only in the names of parameters", other)
		} else {
			templates[template] = m.name
		}
		for _, o := range operations(item) {
			k := key{o.method, template}
			if other := seen[k]; other != nil {
				r.err(o.node, "", "path", "the path template and the method are those of #%s", other.pointer)
			} else {
				seen[k] = o.node
				k.template = segmentWithParameter.ReplaceAllString(m.name, "{}")
				if other := routes[k]; other != nil {
					r.err(o.node, "", "path", "echo cannot tell the path from that of #%s", other.pointer)
				}
				routes[k] = o.node
			}
			r.repairID(o, m.name, ids, used)
		}
		r.repairItem(item)
		r.repairPathParameters(item, m.name)
	}
}

// segmentWithParameter is what echo takes for one parameter: everything up to the next slash.
var segmentWithParameter = regexp.MustCompile(`{[^/]*`)

// checkPath reports what echo's router cannot serve.
func (r *reader) checkPath(item *node, path string) {
	if _, err := echoPath(path); err != nil {
		r.err(item, "", "path", "%v", err)
		return
	}
	rest := pathParameter.ReplaceAllString(path, "")
	names := map[string]bool{}
	for _, match := range pathParameter.FindAllStringSubmatch(path, -1) {
		if names[match[1]] {
			r.err(item, "", "path", "the path has two parameters named %q", match[1])
		}
		names[match[1]] = true
	}
	switch {
	case strings.ContainsAny(rest, "{}"):
		r.err(item, "", "path", "the path has a malformed parameter")
	case strings.ContainsAny(rest, "?#"):
		r.err(item, "", "path", "a path contains no query and no fragment, so no router can serve it")
	case strings.Contains(rest, "*"):
		r.err(item, "", "path", "echo cannot route a literal asterisk")
	}
}

// repairID makes operationIds present and unique: without one, an operation is named by its method and path, as the
// generator does it.
func (r *reader) repairID(o operation, path string, ids, used map[string]bool) {
	id := o.text("operationId")
	byPath := strings.ToLower(o.method) + strings.ReplaceAll(path, "/", "-")
	switch {
	case strings.TrimSpace(id) == "":
		r.warn(o.node, "", "operation-id", "the operation has no operationId")
		id = byPath
	case used[id]:
		r.warn(o.node, "operationId", "operation-id", "the operationId %q is not unique", id)
		id += "-" + byPath
	default:
		used[id] = true
		return
	}
	unique := id
	for i := 2; ids[unique] || used[unique]; i++ {
		unique = id + "-" + strconv.Itoa(i)
	}
	used[unique] = true
	o.set("operationId", unique)
}

// repairItem repairs the parts of the operations of a path item.
func (r *reader) repairItem(item *node) {
	r.repairServers(item)
	r.repairParameters(item)
	for _, o := range operations(item) {
		r.repairServers(o.node)
		r.repairSecurity(o.node)
		r.repairParameters(o.node)
		if body := o.object("requestBody"); body != nil {
			r.repairPart(body)
		}
		responses := o.object("responses")
		if responses == nil {
			r.warn(o.node, "", "responses", "the operation declares no responses")
			responses = &node{pointer: o.pointer + "/responses", offset: o.offset, kind: "{response}"}
			o.set("responses", responses)
		}
		r.repairResponses(responses)
		callbacks := o.object("callbacks")
		if callbacks == nil {
			continue
		}
		for _, m := range callbacks.members {
			callback := r.deref(m.value.(*node))
			for _, m := range callback.members {
				if item, ok := m.value.(*node); ok && item.kind == "path item" {
					r.repairItem(item)
				}
			}
		}
	}
}

func (r *reader) repairResponses(responses *node) {
	for i := 0; i < len(responses.members); i++ {
		m := &responses.members[i]
		response, ok := m.value.(*node)
		if !ok || strings.HasPrefix(m.name, "x-") {
			continue
		}
		if _, err := statusKey(m.name); err != nil {
			upper := strings.ToUpper(m.name)
			if strings.EqualFold(m.name, "default") {
				upper = "default"
			}
			if _, err := statusKey(upper); err == nil && responses.find(upper) < 0 {
				r.warn(response, "", "status", "%q is not a status; it is read as %s", m.name, upper)
				m.name = upper
				responses.index = nil
				responses.reindex()
			} else {
				r.warn(response, "", "status", "%q is not a status, a range like 4XX, or default; the response is ignored", m.name)
				responses.remove(m.name)
				i--
				continue
			}
		}
		r.repairPart(response)
	}
}

// repairPart repairs a parameter, a header, a request body or a response.
func (r *reader) repairPart(o *node) {
	if r.targets[o] != nil {
		return // the component is mended
	}
	switch o.kind {
	case "response":
		if o.find("description") < 0 {
			if !r.quiet && o.find("$ref") < 0 {
				r.warn(o, "", "description", "the response has no description")
			}
			o.set("description", "")
		}
		if headers := o.object("headers"); headers != nil {
			for _, m := range headers.members {
				r.repairPart(m.value.(*node))
			}
		}
	case "parameter", "header":
		r.repairParameter(o)
	}
}

var styles = map[string][]string{
	"path": {"simple", "label", "matrix"}, "query": {"form", "spaceDelimited", "pipeDelimited", "deepObject"},
	"header": {"simple"}, "cookie": {"form"},
}

// repairParameter repairs a parameter or a header.
func (r *reader) repairParameter(o *node) {
	if o.find("schema") >= 0 && o.find("content") >= 0 {
		r.warn(o, "content", "parameter", "the %s has a schema and a content; the content is ignored", o.kind)
		o.remove("content")
	}
	if content := o.object("content"); content != nil && len(content.members) != 1 {
		r.warn(o, "content", "parameter", "content of a %s has exactly one media type", o.kind)
		if len(content.members) == 0 {
			o.remove("content")
		} else {
			content.members, content.index = content.members[:1], nil
		}
	}
	if o.find("schema") < 0 && o.find("content") < 0 {
		r.warn(o, "", "parameter", "the %s has no schema; its value is any text", o.kind)
		schema := newNode(o, member{"type", "string", o.offset})
		schema.kind = "schema"
		o.set("schema", schema)
	}
	in := o.text("in")
	if o.kind == "header" {
		in = "header"
	}
	if style := o.text("style"); style != "" && !slices.Contains(styles[in], style) {
		r.warn(o, "style", "parameter", "a %s in the %s has no style %q", o.kind, in, style)
		o.remove("style")
		o.remove("explode")
	}
	if required, _ := o.get("required"); o.kind == "parameter" && in == "path" && required != true {
		r.warn(o, "required", "parameter", "a parameter of the path has to be required")
		o.set("required", true)
	}
}

// repairParameters repairs the parameters of a path item or an operation, and removes those that cannot be sent.
func (r *reader) repairParameters(o *node) {
	list := o.list("parameters")
	kept := list[:0:0]
	seen := map[[2]string]bool{}
	for _, item := range list {
		published := item.(*node)
		p := r.deref(published)
		in, name := p.text("in"), p.text("name")
		switch key := [2]string{in, name}; {
		case p.kind != "parameter" || styles[in] == nil:
			r.warn(published, "", "parameter", "a parameter in %q is ignored", in)
		case name == "":
			r.warn(published, "", "parameter", "a parameter without a name is ignored")
		case seen[key]:
			r.warn(published, "", "duplicate", "two parameters in the %s have the name %q; the first one counts", in, name)
		default:
			seen[key] = true
			kept = append(kept, item)
			r.repairPart(p)
		}
	}
	if len(kept) < len(list) {
		o.set("parameters", kept)
	}
}

// repairPathParameters declares the parameters that a path has and the document does not declare, and removes those that the
// path does not have.
func (r *reader) repairPathParameters(item *node, path string) {
	var names []string
	for _, match := range pathParameter.FindAllStringSubmatch(path, -1) {
		names = append(names, match[1])
	}
	declared := func(o *node) map[string]bool {
		list := o.list("parameters")
		kept := list[:0:0]
		found := map[string]bool{}
		for _, entry := range list {
			published := entry.(*node)
			p := r.deref(published)
			if p.text("in") == "path" {
				if name := p.text("name"); !slices.Contains(names, name) {
					r.warn(published, "", "path-parameter", "the parameter %q is not in the path and is ignored", name)
					continue
				}
				found[p.text("name")] = true
			}
			kept = append(kept, entry)
		}
		if len(kept) < len(list) {
			o.set("parameters", kept)
		}
		return found
	}
	shared := declared(item)
	for _, o := range operations(item) {
		own := declared(o.node)
		for _, name := range names {
			if shared[name] || own[name] {
				continue
			}
			r.warn(o.node, "", "path-parameter", "the parameter %q of the path is not declared; it is read as a string", name)
			at := o.offset
			schema := &node{pointer: o.pointer, offset: at, kind: "schema", members: []member{{"type", "string", at}}}
			p := &node{pointer: o.pointer, offset: at, kind: "parameter", members: []member{
				{"name", name, at}, {"in", "path", at}, {"required", true, at}, {"schema", schema, at},
			}}
			o.set("parameters", append(slices.Clip(o.list("parameters")), p))
		}
	}
}
