package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// widgets makes the model of the small API in testdata, after one change of
// its overlay; line is where the change begins.
func widgets(t *testing.T, old, new string) (p *pkg, path string, line int, err error) {
	t.Helper()
	data, err := os.ReadFile("testdata/widgets.overlay.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	at := strings.Index(text, old)
	if at < 0 {
		t.Fatalf("the overlay has no %q", old)
	}
	path = filepath.Join(t.TempDir(), "overlay.yaml")
	if err := os.WriteFile(path, []byte(text[:at]+new+text[at+len(old):]), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err = model("testdata/widgets.yaml", path)
	return p, path, 1 + strings.Count(text[:at], "\n"), err
}

func TestOverlayMakesAResource(t *testing.T) {
	p, _, _, err := widgets(t, "", "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, prop := range p.resources[0].properties {
		line := prop.name
		for _, mark := range []struct {
			on   bool
			name string
		}{
			{prop.input, "input"}, {prop.required, "required"}, {prop.output, "output"}, {prop.returned, "returned"},
			{prop.replace, "replace"}, {prop.stable, "stable"}, {prop.secret, "secret"}, {prop.once, "once"},
		} {
			if mark.on {
				line += " " + mark.name
			}
		}
		got = append(got, line)
	}
	want := []string{
		"shopId input required output replace",
		"name input required output returned replace",
		"color input output replace",
		"size input output",
		"madeAt output stable",
		"token output returned secret once",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	w := p.resources[0]
	if diff := cmp.Diff([]string{"shopId", "id"}, w.update.args); diff != "" {
		t.Error("path parameters of the update:", diff)
	}
	if diff := cmp.Diff([]string{"size"}, w.update.body); diff != "" {
		t.Error("body of the update:", diff)
	}
	var inputs []string
	for _, in := range p.functions[0].inputs {
		inputs = append(inputs, in.name+mark(in.required, "!"))
	}
	if diff := cmp.Diff([]string{"shopId!", "widget", "name"}, inputs); diff != "" {
		t.Error("inputs of the function:", diff)
	}
	if diff := cmp.Diff([]string{"red", "green"}, w.properties[2].typ.enum); diff != "" {
		t.Error("values that programs may set:", diff)
	}
}

// Whatever an overlay names must exist, and the error must say where it is
// named and what was likely meant.
func TestOverlayThatIsWrongFailsWithItsLine(t *testing.T) {
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"target matches nothing", "target: $.components.schemas.Widget\n", "target: $.components.schemas.Widgit\n", `matches nothing: there is no Widgit (did you mean "Widget"?)`},
		{"target of a field that does not exist", "- target: $.components.schemas.Widget\n", "- target: $.components.schemas.Widget.properties.colour\n  update: {x-pulumi-enum: Color}\n- target: $.components.schemas.Widget\n", `there is no colour (did you mean "color"?)`},
		{"target is no path", "target: $.info", "target: $.info[", "target $.info["},
		{"changes the contract", "update: {x-pulumi-enum: Color}", "update: {enum: [blue]}", "an overlay adds x-pulumi-* keys only"},
		{"unknown key", "replace: true, except", "replaced: true, except", `no such key "replaced" (did you mean "replace"?)`},
		{"unknown operation", "operation: updateWidget", "operation: updateWidgit", `no operation "updateWidgit" (did you mean "updateWidget"?)`},
		{"unknown property", "size: {clear: 3}", "sizes: {clear: 3}", `Widget has no property "sizes" (did you mean "size"?)`},
		{"wire name for a property", "madeAt:", "made_at:", `Widget has no property "made_at" (did you mean "madeAt"?)`},
		{"unknown result", "result: widget", "result: gadget", `createWidget returns no field "gadget" (did you mean "widget"?)`},
		{"unknown items", "items: widgets", "items: widget", `listWidgets returns no field "widget" (did you mean "widgets"?)`},
		{"result is another object", "{operation: createWidget, result: widget}", "{operation: createWidget, result: token}", "which is not this resource"},
		{"unknown format", "format: date-time", "format: datetime", `no such format "datetime" (did you mean "date-time"?)`},
		{"unknown enum value", "except: [black]", "except: [blak]", `color has no such value (did you mean "black"?)`},
		{"unknown property in unique", "[shopId, name]", "[shopId, nam]", `no property "nam" (did you mean "name"?)`},
		{"unknown property in import", `"{shopId}/{id}"`, `"{shop}/{id}"`, `no property "shop"`},
		{"unknown field in gone", "gone: {color", "gone: {colour", `no field "colour" (did you mean "color"?)`},
		{"unknown parent", "      unique:", "      parent: Shop\n      unique:", `no resource "Shop"`},
		{"unknown value of an enum", "x-pulumi-enum: Color}", "x-pulumi-enum: {token: Color, values: {red: Red., gren: Green., black: Black.}}}", `enum Color has no value "gren" (did you mean "green"?)`},
		{"value of an enum without a meaning", "x-pulumi-enum: Color}", "x-pulumi-enum: {token: Color, values: {red: Red., black: Black.}}}", `enum Color does not say what "green" means`},
		{"unknown parameter in rename", "rename: {widget_id", "rename: {widgetid", `getWidget has no parameter "widgetid" (did you mean "widget_id"?)`},
		{"unknown field in find", "by: [name]", "by: [nam]", `getWidget returns no field "nam" (did you mean "name"?)`},
		{"value of another type in gone", "gone: {color: black}", "gone: {size: small}", "size is no whole number"},
		{"clear of another type", "size: {clear: 3}", "size: {clear: small}", "size: clear is no whole number"},
		{"default that is no value of the enum", "color: {replace: true,", "color: {replace: true, default: gren,", `color: default "gren" is none of its values (did you mean "green"?)`},
		{"order of what is no list", "size: {clear: 3}", "size: {clear: 3, unordered: true}", "size is marked unordered, but is no list"},
		{"minimum of what is no number", "name: {replace: true}", "name: {replace: true, minimum: 3}", "name has a minimum, but is no number"},
		{"extra of no known type", "      unique:", "      extra: {made: {type: number, output: true}}\n      unique:", `made: type "number" is neither string nor map`},
		{"part of no known result", "      unique:", "      parts: [{property: size, resource: Widget, result: gadget, id: name}]\n      unique:", `createWidget returns no field "gadget" (did you mean "widget"?)`},
		{"part selected by no known field", "      unique:", "      parts: [{property: size, resource: Widget, result: widget, id: name, select: {colour: red}}]\n      unique:", `no field "colour" (did you mean "color"?)`},
		{"part selected by a value of another type", "      unique:", "      parts: [{property: size, resource: Widget, result: widget, id: name, select: {size: small}}]\n      unique:", "size is no whole number"},
		{"path that no property fills", "      delete: {operation: deleteWidget}", "      rotate: {operation: turnWidget}\n      delete: {operation: deleteWidget}", "turnWidget has part_id in its path, which no property fills"},
		{"extension given twice", "- target: $.components.schemas.Widget\n", "- target: $.components.schemas.Widget\n  update: {x-pulumi-resource: {}}\n- target: $.components.schemas.Widget\n", "x-pulumi-resource is given twice"},
		{"extension where nothing looks for it", "- target: $.components.schemas.Widget\n", "- target: $.components.schemas.Widget.properties.id\n  update: {x-pulumi-waived: not needed}\n- target: $.components.schemas.Widget\n", "x-pulumi-waived has no effect here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, path, line, err := widgets(t, c.old, c.new)
			if err == nil {
				t.Fatalf("accepted %q", c.new)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got:  %v\nwant: %s", err, c.want)
			}
			// The line of the change, or of a part of it.
			for l := line; l <= line+1+strings.Count(c.new, "\n"); l++ {
				if strings.Contains(err.Error(), fmt.Sprintf("%s:%d: ", path, l)) {
					return
				}
			}
			t.Errorf("error without line %d of the overlay: %v", line, err)
		})
	}
}

// A limit of the document that the provider could not hold programs to must
// not be dropped in silence.
func TestDocumentThatSaysMoreThanIsUnderstoodFails(t *testing.T) {
	data, err := os.ReadFile("testdata/widgets.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"minimum: 1, default: 3}", "minimum: 1, multipleOf: 5, default: 3}", ":18: multipleOf of Widget.size would be lost"},
		{"name: {type: string}", "name: {allOf: [{type: string}, {maxLength: 5}]}", "allOf of widgets:index:getWidget.name would be lost"},
		{"{type: array, description: All of them.,", "{type: array, minItems: 1, description: All of them.,", ""}, // nothing is made of it
	} {
		path := filepath.Join(t.TempDir(), "widgets.yaml")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), c.old, c.new)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := model(path, "testdata/widgets.overlay.yaml")
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.new, err)
		}
	}
}

// A resource must be whole: nothing that it would need may be left out.
func TestOverlayThatLeavesSomethingOutFails(t *testing.T) {
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"input that nothing can change", "color: {replace: true, except: [black]}", "color: {except: [black]}", "no update can change color: mark it with replace"},
		{"output that reading does not return", "token: {secret: true, once: true}", "token: {secret: true}", "which reading does not: mark property token with once"},
		{"no way to delete", "      delete: {operation: deleteWidget}\n", "", "neither delete nor deleted"},
		{"no way to read", "      read: {operation: getWidget}\n", "", "without read, it needs list and key"},
		{"enum without a name", "- target: $.paths['/shops/{shop_id}/widgets'].post.requestBody.content['application/json'].schema.properties.color\n  update: {x-pulumi-enum: Color}\n", "", "has no name: give it one with x-pulumi-enum"},
		{"operation that nothing uses", "- target: $.paths['/count'].get\n  update: {x-pulumi-waived: A number that changes all the time.}\n", "", "operation countWidgets is used by no resource or function"},
		{"operation waived without a reason", "x-pulumi-waived: A number that changes all the time.", "x-pulumi-waived: ''", "operation countWidgets is waived without a reason"},
		{"operation that is used and waived", "- target: $.info", "- target: $.paths['/shops/{shop_id}/widgets'].get\n  update: {x-pulumi-waived: not needed}\n- target: $.info", "operation listWidgets is waived, but used"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, _, err := widgets(t, c.old, c.new)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got:  %v\nwant: %s", err, c.want)
			}
		})
	}
}
