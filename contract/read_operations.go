package contract

import (
	"slices"
	"strconv"
	"strings"
)

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
			if paths.find("/"+m.name) >= 0 {
				r.err(item, "", "path", "the path is declared twice")
			}
			paths.rename(i, "/"+m.name)
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
			}
			r.repairID(o, m.name, ids, used)
		}
		r.repairItem(item)
		r.repairPathParameters(item, m.name)
	}
}

// checkPath reports what echo's router cannot serve.
func (r *reader) checkPath(item *node, path string) {
	rest := pathParameter.ReplaceAllString(path, "")
	names := map[string]bool{}
	for _, name := range parameterNames(path) {
		if names[name] {
			r.err(item, "", "path", "the path has two parameters named %q", name)
		}
		names[name] = true
	}
	switch {
	case strings.ContainsAny(rest, "{}"):
		r.err(item, "", "path", "the path has a malformed parameter")
	case strings.ContainsAny(rest, "?#"):
		r.err(item, "", "path", "a path contains no query and no fragment, so no router can serve it")
	case strings.Contains(rest, "*"):
		r.err(item, "", "path", "echo cannot route a literal asterisk")
	case strings.Contains(path, "}{"):
		r.warn(item, "", "path", "nothing tells where the first of two adjacent parameters ends; the second one gets one character")
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
				responses.rename(i, upper)
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
