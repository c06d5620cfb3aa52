package main

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// The scripts ask the hidden command complete, so that they never differ from the program.
var (
	//go:embed completion/diga-api.bash
	bashCompletion string
	//go:embed completion/diga-api.zsh
	zshCompletion string
	//go:embed completion/diga-api.fish
	fishCompletion string
)

type completionCommand struct {
	Shell string `arg:"" help:"bash, zsh or fish." completion:"bash,fish,zsh"`
}

// Help implements kong.HelpProvider.
func (completionCommand) Help() string {
	return `bash: source <(diga-api completion bash), in ~/.bashrc

zsh: source <(diga-api completion zsh), in ~/.zshrc after compinit

fish: diga-api completion fish | source, in ~/.config/fish/config.fish`
}

// Run prints the script.
func (c *completionCommand) Run(std streams) error {
	script, ok := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[c.Shell]
	if !ok {
		return usageError(fmt.Errorf("%s is not one of bash, zsh, fish", c.Shell))
	}
	_, err := fmt.Fprint(std.out, script)
	return err
}

// completeCommand is called by the scripts.
type completeCommand struct {
	Words []string `arg:"" optional:"" help:"The words of the command line after the program, the last of which is to be completed."`
}

// Run prints the words that may stand in place of the last one, each with a tab and its description. It prints nothing where
// a file or any text may stand.
func (c *completeCommand) Run(parsed *kong.Context, std streams) error { //nolint:unparam // kong wants an error
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	for _, candidate := range complete(parsed.Model.Node, words[:len(words)-1], words[len(words)-1]) {
		fmt.Fprintln(std.out, candidate)
	}
	return nil
}

// complete returns the candidates for a word that follows others.
func complete(node *kong.Node, before []string, word string) (candidates []string) {
	add := func(text, description string) {
		if strings.HasPrefix(text, word) {
			first, _, _ := strings.Cut(description, ". ")
			candidates = append(candidates, text+"\t"+strings.TrimSuffix(first, "."))
		}
	}
	var flag *kong.Flag // whose value comes next
	for _, previous := range before {
		switch name, isFlag := strings.CutPrefix(previous, "--"); {
		case flag != nil:
			flag = nil
		case isFlag:
			if flag = flagOf(node, name); flag != nil && flag.IsBool() {
				flag = nil
			}
		default:
			node = childOf(node, previous)
		}
	}
	tag := ""
	switch {
	case flag != nil:
		tag = flag.Tag.Get("completion")
	case strings.HasPrefix(word, "-"):
		for _, group := range node.AllFlags(true) {
			for _, flag := range group {
				add("--"+flag.Name, flag.Help)
			}
		}
	default:
		for _, child := range node.Children {
			if !child.Hidden {
				add(child.Name, child.Help)
			}
		}
		for _, positional := range node.Positional {
			tag = positional.Tag.Get("completion")
		}
	}
	if tag != "" {
		for value := range strings.SplitSeq(tag, ",") {
			add(value, "")
		}
	}
	return candidates
}

// flagOf returns the flag of node of that name, or nil.
func flagOf(node *kong.Node, name string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if flag.Name == name {
				return flag
			}
		}
	}
	return nil
}

// childOf returns the command below node of that name, or node if there is none, because the word is an argument.
func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return node
}
