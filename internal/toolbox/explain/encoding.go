package explain

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
)

// decode returns an output as UTF-8: Windows PowerShell writes files in UTF-16.
// Without its mark (where only the end of a long output was kept) UTF-16 is
// known by the zero in each character of an English text.
func decode(output []byte) string {
	var order binary.ByteOrder
	switch head := output[:min(len(output), 512)&^1]; {
	case bytes.HasPrefix(output, []byte{0xff, 0xfe}):
		order = binary.LittleEndian
	case bytes.HasPrefix(output, []byte{0xfe, 0xff}):
		order = binary.BigEndian
	case len(head) >= 16 && zeros(head, 1) > len(head)/4 && zeros(head, 0) == 0:
		order = binary.LittleEndian
	case len(head) >= 16 && zeros(head, 0) > len(head)/4 && zeros(head, 1) == 0:
		order = binary.BigEndian
	default:
		return string(output)
	}
	units := make([]uint16, 0, len(output)/2)
	for ; len(output) >= 2; output = output[2:] {
		units = append(units, order.Uint16(output))
	}
	return string(utf16.Decode(units))
}

// zeros counts the zero bytes at even (from 0) or odd (from 1) places.
func zeros(b []byte, from int) int {
	n := 0
	for i := from; i < len(b); i += 2 {
		if b[i] == 0 {
			n++
		}
	}
	return n
}
