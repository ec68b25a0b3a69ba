package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/godown-dev/godown/internal/toolbox/ci"
	"go.yaml.in/yaml/v4"
)

// ciTree parses a file of YAML for 'godown ci', which merges into it.
func ciTree(data []byte) (*ci.Tree, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var doc, more yaml.Node
	if err := loader.Load(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := loader.Load(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document in it")
	}
	root := &doc
	if doc.Kind == yaml.DocumentNode {
		if len(doc.Content) == 0 {
			return nil, nil
		}
		root = doc.Content[0]
	}
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, nil
	}
	return ciNode(root)
}

func ciNode(n *yaml.Node) (*ci.Tree, error) {
	t := &ci.Tree{Line: n.Line, Column: n.Column, Flow: n.Style&yaml.FlowStyle != 0}
	switch n.Kind {
	case yaml.MappingNode:
		seen := make(map[string]bool)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if seen[key.Value] && key.Value != "<<" {
				return nil, fmt.Errorf("the key %s of line %d is there twice", key.Value, key.Line)
			}
			seen[key.Value] = true
			value, err := ciNode(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			t.Pairs = append(t.Pairs, ci.Pair{Key: key.Value, Line: key.Line, Value: value})
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			value, err := ciNode(item)
			if err != nil {
				return nil, err
			}
			t.Items = append(t.Items, value)
		}
	case yaml.AliasNode:
		t.Scalar = "*" + n.Value
	default:
		t.Scalar = n.ShortTag() + " " + n.Value
	}
	if n.Anchor != "" {
		t.Scalar += "&" + n.Anchor
	}
	return t, nil
}
