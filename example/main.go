// Command hello is a module with a few dependencies, to try godown on.
package main

import (
	"fmt"

	"rsc.io/quote"
)

func main() {
	fmt.Println(quote.Go())
}
