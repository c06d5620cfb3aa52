package contract

import (
	"regexp"
	"slices"
	"strings"
)

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
		// Everything that refers to path items has a copy of its own.
		components.remove("pathItems")
		components.remove("mediaTypes")
	}
	if webhooks := r.root.object("webhooks"); webhooks != nil {
		for _, m := range webhooks.members {
			if item, ok := m.value.(*node); ok {
				r.repairItem(item)
			}
		}
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
