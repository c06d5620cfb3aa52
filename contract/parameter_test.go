package contract_test

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/contract"
)

// parameterService serves GET path with parameters, in one version of OpenAPI.
func parameterService(t testing.TB, version, path, parameters string) *service {
	t.Helper()
	return newService(t, document(version, `{"`+path+`":{"get":{"parameters":[`+parameters+`],
		"responses":{"204":{"description":""},`+errorAnswers+`}}}}`), contract.Options{}, noContent)
}

const (
	integers = `"schema":{"type":"array","items":{"type":"integer"},"maxItems":3}`
	point    = `"schema":{"type":"object","required":["x"],"properties":{"x":{"type":"integer","maximum":9},"y":{"type":"integer"}}}`
)

// TestParameterTypes has schemas whose type is not where kin-openapi looks for it.
func TestParameterTypes(t *testing.T) {
	for _, test := range []struct{ schema, right, wrong, want string }{
		// A value has a reading for each alternative.
		{`{"oneOf":[{"type":"integer","enum":[1,3]},{"type":"string","enum":["a"]}]}`, "3", "2", "query p enum"},
		{`{"oneOf":[{"type":"integer","enum":[1,3]},{"type":"string","enum":["a"]}]}`, "a", "b", "query p enum"},
		{`{"anyOf":[{"type":"integer","maximum":9},{"type":"string","minLength":3}]}`, "100", "10", "query p maximum"},
		{`{"$ref":"#/components/schemas/I","minimum":2}`, "2", "1", "query p minimum"},
		{`{"type":"array","items":{"$ref":"#/components/schemas/I","minimum":2}}`, "2", "1", "query p /0 minimum"},
		{`{"anyOf":[{"$ref":"#/components/schemas/I","minimum":2},{"type":"null"}]}`, "2", "1", "query p minimum"},
		{`{"allOf":[{"$ref":"#/components/schemas/I","minimum":2}]}`, "2", "1", "query p minimum"},
		{`{"type":"array","items":{"type":"integer","not":{"const":1}}}`, "2", "1", "query p /0 not"},
		{`{"type":"array","minItems":2}`, "2&p=1", "1", "query p minItems"},
		{`{"type":"array","items":{"maxLength":1}}`, "2", "10", "query p /0 maxLength"},
		{`{"anyOf":[{"type":"array","items":{},"minItems":2},{"enum":["2"]}]}`, "2&p=1", "1", "query p minItems"},
		{`{"type":"integer","anyOf":[{"minimum":2},{"maximum":0}]}`, "2", "1", "query p anyOf"},
		{`{"type":"integer","oneOf":[{"minimum":2},{"maximum":0}]}`, "2", "1", "query p oneOf"},
		{`{"allOf":[{"allOf":[{"maxLength":1}]}],"default":"2"}`, "2", "10", "query p maxLength"},
		{`{"$ref":"#/components/schemas/R"}`, "2", "", ""},
	} {
		s := newService(t, document("3.1.0", `{"/":{"get":{"parameters":[{"name":"p","in":"query","schema":`+test.schema+`}],
			"responses":{"204":{"description":""},`+errorAnswers+`}}}}`, `"components":{"schemas":{"I":{"type":"integer"},
			"R":{"anyOf":[{"type":"array","items":{"$ref":"#/components/schemas/R"}},{"type":"integer"}]}}}`), contract.Options{}, noContent)
		if w := s.do(request("GET", "/?p="+test.right, "")); w.Code != http.StatusNoContent {
			t.Errorf("%s: %s: %v", test.schema, test.right, s.errs)
		}
		if test.wrong != "" {
			s.do(request("GET", "/?p="+test.wrong, ""))
			expect(t, s.requestViolations(t), test.want)
		}
	}
}

// TestParameterStyles has every style kin-openapi decodes, each with a right, a wrong and an undecodable value.
func TestParameterStyles(t *testing.T) {
	for _, test := range []struct {
		name, path, parameter string
		target                string // of the right request
		wrong, broken         string // of the others; empty when there is none
		header                [3]string
		want, undecodable     string
	}{
		{name: "path simple", path: "/{p}", parameter: `"in":"path","required":true,"schema":{"type":"string","minLength":2}`,
			target: "/ab", wrong: "/a", want: "path p minLength"},
		{name: "path simple integer", path: "/{p}", parameter: `"in":"path","required":true,"schema":{"type":"integer","maximum":9}`,
			target: "/9", wrong: "/10", broken: "/x", want: "path p maximum"},
		{name: "path simple array", path: "/{p}", parameter: `"in":"path","required":true,` + integers,
			target: "/1,2", wrong: "/1,2,3,4", broken: "/1,x", want: "path p maxItems"},
		{name: "path simple object", path: "/{p}", parameter: `"in":"path","required":true,` + point,
			target: "/x,1,y,2", wrong: "/y,2", broken: "/x", want: "path p /x required"},
		{name: "path simple object exploded", path: "/{p}", parameter: `"in":"path","required":true,"explode":true,` + point,
			target: "/x=1,y=2", wrong: "/x=10", broken: "/x,1", want: "path p /x maximum"},
		{name: "path label", path: "/{p}", parameter: `"in":"path","required":true,"style":"label","schema":{"type":"integer","maximum":9}`,
			target: "/.5", wrong: "/.10", broken: "/5", want: "path p maximum"},
		{name: "path label array", path: "/{p}", parameter: `"in":"path","required":true,"style":"label",` + integers,
			target: "/.1,2", wrong: "/.1,2,3,4", broken: "/.1,x", want: "path p maxItems"},
		{name: "path label array exploded", path: "/{p}", parameter: `"in":"path","required":true,"style":"label","explode":true,` + integers,
			target: "/.1.2", wrong: "/.1.2.3.4", broken: "/.1.x", want: "path p maxItems"},
		{name: "path label object exploded", path: "/{p}", parameter: `"in":"path","required":true,"style":"label","explode":true,` + point,
			target: "/.x=1.y=2", wrong: "/.x=10", broken: "/.x=a", want: "path p /x maximum"},
		{name: "path matrix", path: "/{p}", parameter: `"in":"path","required":true,"style":"matrix","schema":{"type":"integer","maximum":9}`,
			target: "/;p=5", wrong: "/;p=10", broken: "/;q=5", want: "path p maximum"},
		{name: "path matrix array", path: "/{p}", parameter: `"in":"path","required":true,"style":"matrix",` + integers,
			target: "/;p=1,2", wrong: "/;p=1,2,3,4", broken: "/;p=x", want: "path p maxItems"},
		{name: "path matrix array exploded", path: "/{p}", parameter: `"in":"path","required":true,"style":"matrix","explode":true,` + integers,
			target: "/;p=1;p=2", wrong: "/;p=1;p=2;p=3;p=4", broken: "/;p=x", want: "path p maxItems"},
		{name: "path matrix object exploded", path: "/{p}", parameter: `"in":"path","required":true,"style":"matrix","explode":true,` + point,
			target: "/;x=1;y=2", wrong: "/;x=10", broken: "/x=1", want: "path p /x maximum"},
		{name: "query form", path: "/", parameter: `"in":"query","required":true,"schema":{"type":"string","pattern":"^a"}`,
			target: "/?p=ab", wrong: "/?p=b", want: "query p pattern"},
		{name: "query form missing", path: "/", parameter: `"in":"query","required":true,"schema":{"type":"string"}`,
			target: "/?p=", wrong: "/?q=b", want: "query p required"},
		{name: "query form integer", path: "/", parameter: `"in":"query","required":true,"schema":{"type":"integer","format":"int32"}`,
			target: "/?p=5", wrong: "/", broken: "/?p=2147483648", want: "query p required"},
		{name: "query form boolean", path: "/", parameter: `"in":"query","schema":{"type":"boolean","enum":[true]}`,
			target: "/?p=true", wrong: "/?p=false", broken: "/?p=maybe", want: "query p enum"},
		{name: "query form number", path: "/", parameter: `"in":"query","schema":{"type":"number","exclusiveMaximum":true,"maximum":1}`,
			target: "/?p=0.5", wrong: "/?p=1", broken: "/?p=one", want: "query p exclusiveMaximum"},
		{name: "query form array exploded", path: "/", parameter: `"in":"query",` + integers,
			target: "/?p=1&p=2", wrong: "/?p=1&p=2&p=3&p=4", broken: "/?p=1&p=x", want: "query p maxItems"},
		{name: "query form array", path: "/", parameter: `"in":"query","explode":false,` + integers,
			target: "/?p=1,2", wrong: "/?p=1,2,3,4", broken: "/?p=1,x", want: "query p maxItems"},
		{name: "query form object exploded", path: "/", parameter: `"in":"query",` + point,
			target: "/?x=1&y=2", wrong: "/?x=10", broken: "/?x=a", want: "query p /x maximum"},
		{name: "query form object", path: "/", parameter: `"in":"query","explode":false,` + point,
			target: "/?p=x,1,y,2", wrong: "/?p=y,2", broken: "/?p=x", want: "query p /x required"},
		{name: "query spaceDelimited", path: "/", parameter: `"in":"query","style":"spaceDelimited","explode":false,` + integers,
			target: "/?p=1%202", wrong: "/?p=1+2+3+4", broken: "/?p=1+x", want: "query p maxItems"},
		{name: "query pipeDelimited", path: "/", parameter: `"in":"query","style":"pipeDelimited","explode":false,` + integers,
			target: "/?p=1|2", wrong: "/?p=1|2|3|4", broken: "/?p=1|x", want: "query p maxItems"},
		{name: "query deepObject", path: "/", parameter: `"in":"query","style":"deepObject","explode":true,` + point,
			target: "/?p[x]=1&p[y]=2", wrong: "/?p[x]=10", broken: "/?p[x]=a", want: "query p /x maximum"},
		{name: "query content", path: "/", parameter: `"in":"query","content":{"application/json":{` + point + `}}`,
			target: `/?p={"x":1}`, wrong: `/?p={"x":10}`, broken: `/?p={`, want: "query p /x maximum"},
		{name: "header", path: "/", parameter: `"in":"header","schema":{"type":"string","maxLength":2}`,
			header: [3]string{"p: ab", "p: abc"}, want: "header p maxLength"},
		{name: "header integer", path: "/", parameter: `"in":"header","schema":{"type":"integer","minimum":1}`,
			header: [3]string{"p: 1", "p: 0", "p: x"}, want: "header p minimum"},
		{name: "header array", path: "/", parameter: `"in":"header",` + integers,
			header: [3]string{"p: 1, 2", "p: 1,2,3,4", "p: 1,x"}, want: "header p maxItems"},
		{name: "header object", path: "/", parameter: `"in":"header",` + point,
			header: [3]string{"p: x,1", "p: y,1", "p: x"}, want: "header p /x required"},
		{name: "header object exploded", path: "/", parameter: `"in":"header","explode":true,` + point,
			header: [3]string{"p: x=1,y=1", "p: x=10", "p: x,1"}, want: "header p /x maximum"},
		{name: "header required", path: "/", parameter: `"in":"header","required":true,"schema":{"type":"string"}`,
			header: [3]string{"P: 1", "q: 0"}, want: "header p required"},
		{name: "cookie", path: "/", parameter: `"in":"cookie","schema":{"type":"string","enum":["a","b"]}`,
			header: [3]string{"Cookie: p=a", "Cookie: p=c"}, want: "cookie p enum"},
		{name: "cookie integer", path: "/", parameter: `"in":"cookie","required":true,"schema":{"type":"integer"}`,
			header: [3]string{"Cookie: p=1", "Cookie: q=1", "Cookie: p=x"}, want: "cookie p required"},
		{name: "cookie array", path: "/", parameter: `"in":"cookie","explode":false,` + integers,
			header: [3]string{"Cookie: p=1", `Cookie: p="1,2,3,4"`, "Cookie: p=x"}, want: "cookie p maxItems"},
		{name: "cookie object", path: "/", parameter: `"in":"cookie","explode":false,` + point,
			header: [3]string{`Cookie: p="x,1"`, `Cookie: p="x,10"`, "Cookie: p=x"}, want: "cookie p /x maximum"},
	} {
		for _, version := range []string{"3.0.3", "3.1.0"} {
			t.Run(version+"/"+test.name, func(t *testing.T) {
				parameter, want := test.parameter, test.want
				if test.name == "query form number" && version == "3.1.0" {
					parameter = `"in":"query","schema":{"type":"number","exclusiveMaximum":1}`
				}
				s := parameterService(t, version, test.path, `{"name":"p",`+parameter+`}`)
				try := func(target, header, want string) {
					t.Helper()
					if target == "" {
						if target = "/"; header == "" {
							return
						}
					}
					w := s.do(request("GET", target, "", header))
					if want == "" {
						if expect(t, s.requestViolations(t)); w.Code != http.StatusNoContent {
							t.Error(w.Code, w.Body)
						}
						return
					}
					if expect(t, s.requestViolations(t), want); w.Code != http.StatusUnprocessableEntity {
						t.Error(w.Code, w.Body)
					}
				}
				try(test.target, test.header[0], "")
				try(test.wrong, test.header[1], want)
				in, _, _ := cutIn(want)
				try(test.broken, test.header[2], in+" p decode")
			})
		}
	}
}

func cutIn(line string) (in, rest string, ok bool) {
	for i, r := range line {
		if r == ' ' {
			return line[:i], line[i+1:], true
		}
	}
	return line, "", false
}

// TestParameterEscapes is for the path, which echo hands out escaped or not.
func TestParameterEscapes(t *testing.T) {
	s := parameterService(t, "3.1.0", "/{p}/x/{q}", `
		{"name":"q","in":"path","required":true,"schema":{"type":"string","maxLength":3}},
		{"name":"p","in":"path","required":true,"schema":{"type":"string","enum":["a b","a/b","%41","a%2Fb"]}}`)
	for _, test := range []struct {
		target string
		want   []string
	}{
		{"/a%20b/x/1", nil},
		{"/a%2Fb/x/1", nil},
		{"/a%252Fb/x/1", nil},
		{"/%2541/x/1", nil}, // never unescaped twice
		{"/%41/x/1", []string{"path p enum"}},
		{"/a%2Fb/x/%C3%A4%C3%A4%C3%A4", nil},
		{"/a%2Fb/x/%C3%A4%C3%A4%C3%A4%C3%A4", []string{"path q maxLength"}},
		{"/a%2Fb/x/%FF", []string{"path q decode"}},
		{"/%FF/x/%FF", []string{"path q decode", "path p decode"}},
		{"/%00/x/%00", []string{"path p enum"}},
	} {
		s.do(request("GET", test.target, ""))
		t.Log(test.target)
		expect(t, s.requestViolations(t), test.want...)
	}
	r := request("GET", "/a/x/1", "")
	r.URL.RawPath = "/%zz/x/1" // net/http lets none through
	s.do(r)
	expect(t, s.requestViolations(t), "path p decode")
}

// TestSlashes are no part of a parameter, unless they are escaped. echo's router thinks otherwise of the last one.
func TestSlashes(t *testing.T) {
	s := parameterService(t, "3.1.0", "/a/{p}", `{"name":"p","in":"path","required":true,"schema":{"type":"string"}}`)
	for target, status := range map[string]int{"/a/b": 204, "/a/b%2Fc": 204, "/a/b/c": 404, "/a/b%2Fc/d": 404, "/a/b/": 404} {
		if w := s.do(request("GET", target, "")); w.Code != status {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

func TestQueryMalformed(t *testing.T) {
	s := parameterService(t, "3.1.0", "/", `{"name":"p","in":"query","schema":{"type":"string"}}`)
	for target, want := range map[string][]string{
		"/?p=%zz": {"query decode"}, "/?p=1;q=2": {"query decode"}, "/?q=%4": {"query decode"}, "/?p=%FF": {"query p decode"},
		"/?p=%41&&=&other": nil, "/": nil,
	} {
		s.do(request("GET", target, ""))
		expect(t, s.requestViolations(t), want...)
	}
	s = parameterService(t, "3.1.0", "/", ``)
	s.do(request("GET", "/?p=%zz", "")) // of an operation without query parameters it is ignored, whatever it is
	expect(t, s.requestViolations(t))
}

// TestParameterOrder is for all violations at once, those of the path item first.
func TestParameterOrder(t *testing.T) {
	s := newService(t, document("3.1.0", `{"/{id}":{
		"parameters":[
			{"name":"id","in":"path","required":true,"schema":{"type":"integer"}},
			{"name":"limit","in":"query","schema":{"type":"integer","maximum":10}},
			{"$ref":"#/components/parameters/Trace"}],
		"post":{"parameters":[
			{"name":"z","in":"query","required":true,"schema":{"type":"string"}},
			{"name":"limit","in":"query","schema":{"type":"integer","maximum":5}},
			{"name":"a","in":"cookie","required":true,"schema":{"type":"string"}}],
			"requestBody":{"required":true,"content":{"application/json":{"schema":{"type":"object",
				"required":["b","a"],"properties":{"z":{"type":"string"},"b":{},"a":{},"list":{"type":"array","items":{"type":"integer"}}}}}}},
			"responses":{"204":{"description":""},`+errorAnswers+`}}}}`,
		`"components":{"parameters":{"Trace":{"name":"X-Trace","in":"header","required":true,"schema":{"type":"string"}}}}`),
		contract.Options{}, noContent)
	s.do(request("POST", "/x?limit=7", `{"list":[1,"2",3,4,5,6,7,8,9,10,"11"],"z":0}`, "Content-Type: application/json"))
	expect(t, s.requestViolations(t), "path id decode", "header X-Trace required", "query z required", "query limit maximum",
		"cookie a required", "body /b required", "body /a required", "body /z type", "body /list/1 type", "body /list/10 type")
}

func TestParameterDefaults(t *testing.T) {
	for _, version := range []string{"3.0.3", "3.1.0"} {
		s := parameterService(t, version, "/", `
			{"name":"limit","in":"query","schema":{"type":"integer","default":7,"maximum":9}},
			{"name":"sort","in":"query","schema":{"type":"array","items":{"type":"string"},"default":["a","b"]}},
			{"name":"X-Mode","in":"header","schema":{"type":"string","default":"slow"}},
			{"name":"c","in":"cookie","schema":{"type":"string","default":"d"}}`)
		seen := false
		s.handler = func(c echo.Context) error {
			seen = true
			cookie, _ := c.Cookie("c")
			if c.QueryParam("limit") != "7" || len(c.QueryParams()["sort"]) != 2 || c.Request().Header.Get("X-Mode") != "slow" ||
				cookie == nil || cookie.Value != "d" || c.Request().URL.Query().Get("limit") != "7" {
				t.Error(c.Request().URL, c.Request().Header)
			}
			return noContent(c)
		}
		s.do(request("GET", "/", ""))
		expect(t, s.requestViolations(t))
		s.do(request("GET", "/?limit=", "")) // empty is missing, to kin-openapi
		expect(t, s.requestViolations(t))
		s.do(request("GET", "/?limit=10", ""))
		expect(t, s.requestViolations(t), "query limit maximum")
		if !seen {
			t.Error("the handler was not reached")
		}
	}
}

// TestParameterAlternatives has values that no alternative decodes. Kin-openapi takes them for missing or empty ones.
func TestParameterAlternatives(t *testing.T) {
	s := parameterService(t, "3.1.0", "/", `
		{"name":"any","in":"query","schema":{"anyOf":[{"type":"integer"},{"type":"null"}],"default":7}},
		{"name":"one","in":"query","schema":{"oneOf":[{"type":"boolean"},{"type":"null"}],"default":false}},
		{"name":"list","in":"query","schema":{"anyOf":[{"type":"array","items":{"type":"integer"}},{"type":"null"}],"default":[7]}},
		{"name":"none","in":"query","schema":{"anyOf":[{"type":"integer"},{"type":"null"}]}},
		{"name":"empty","in":"query","allowEmptyValue":true,"schema":{"anyOf":[{"type":"integer"},{"type":"null"}]}},
		{"name":"h","in":"header","schema":{"anyOf":[{"type":"integer"},{"type":"null"}],"default":7}},
		{"name":"c","in":"cookie","schema":{"anyOf":[{"type":"integer"},{"type":"null"}],"default":7}}`)
	s.handler = func(c echo.Context) error {
		if q := c.QueryParams(); q.Get("any") != "7" || q.Get("one") != "false" || q.Get("list") != "7" || q.Has("none") {
			t.Error(q)
		}
		return noContent(c)
	}
	s.do(request("GET", "/", ""))
	expect(t, s.requestViolations(t))
	s.do(request("GET", "/?any=x&one=x&list=x&none=x&empty=x", "", "h: x", "Cookie: c=x"))
	expect(t, s.requestViolations(t), "query any decode", "query one decode", "query list decode", "query none decode",
		"query empty decode", "header h decode", "cookie c decode")

	s = parameterService(t, "3.1.0", "/", `{"name":"p","in":"query","required":true,"schema":{"anyOf":[{"type":"integer"},{"type":"boolean"}]}}`)
	s.do(request("GET", "/?q=1", ""))
	expect(t, s.requestViolations(t), "query p required")
}

func TestParameterEmpty(t *testing.T) {
	s := parameterService(t, "3.1.0", "/", `
		{"name":"a","in":"query","allowEmptyValue":true,"schema":{"type":"string","minLength":1}},
		{"name":"b","in":"query","allowEmptyValue":true,"schema":{"type":"integer"}},
		{"name":"c","in":"query","schema":{"type":"integer"}},
		{"name":"d","in":"query","schema":{"type":"string","minLength":1}}`)
	s.do(request("GET", "/?a=&b=&c=&d=", ""))
	expect(t, s.requestViolations(t), "query c allowEmptyValue", "query d minLength")
}

func TestParameterSchemas(t *testing.T) {
	s := newService(t, document("3.1.0", `{"/":{"get":{"parameters":[
		{"name":"nullable","in":"query","schema":{"type":["integer","null"],"maximum":5}},
		{"name":"either","in":"query","schema":{"anyOf":[{"type":"integer","maximum":5},{"type":"boolean"}]}},
		{"name":"all","in":"query","schema":{"allOf":[{"$ref":"#/components/schemas/Small"},{"type":"integer","multipleOf":2}]}},
		{"name":"ref","in":"query","schema":{"$ref":"#/components/schemas/Small"}},
		{"name":"beside","in":"query","schema":{"$ref":"#/components/schemas/Small","minimum":1}},
		{"name":"named","in":"query","schema":{"$ref":"#/components/schemas/Name","minLength":2}},
		{"name":"const","in":"query","schema":{"const":"x"}},
		{"name":"not","in":"query","schema":{"type":"integer","not":{"const":3}}},
		{"name":"any","in":"query","schema":{}},
		{"name":"none","in":"query","schema":false}],
		"responses":{"204":{"description":""},`+errorAnswers+`}}}}`,
		`"components":{"schemas":{"Small":{"type":"integer","maximum":9},"Name":{"type":"string","enum":["a","ab"]}}}`), contract.Options{}, noContent)
	for query, want := range map[string][]string{
		"nullable=5": nil, "nullable=6": {"query nullable maximum"}, "nullable=x": {"query nullable decode"},
		"either=5": nil, "either=true": nil,
		"either=6": {"query either maximum"},
		"all=4":    nil, "all=3": {"query all multipleOf"}, "all=10": {"query all maximum"},
		"ref=9": nil, "ref=10": {"query ref maximum"},
		"beside=5": nil, "beside=0": {"query beside minimum"}, "beside=10": {"query beside maximum"}, "beside=x": {"query beside decode"},
		"named=ab": nil, "named=a": {"query named minLength"}, "named=b": {"query named enum", "query named minLength"},
		"const=x": nil, "const=y": {"query const const"},
		"not=2": nil, "not=3": {"query not not"},
		"any=5": nil, "none=1": {"query none false"},
	} {
		s.do(request("GET", "/?"+query, ""))
		t.Log(query)
		expect(t, s.requestViolations(t), want...)
	}
}
