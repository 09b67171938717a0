// Package must ends a test's program, with a line that says why, when something isn't as it must be.
package must

import (
	"fmt"
	"os"
)

func Succeed(err error, what string) {
	if err != nil {
		fmt.Println("FAILED", what+":", err)
		os.Exit(1)
	}
}

func Hold(ok bool, what string) {
	if !ok {
		fmt.Println("FAILED not so:", what)
		os.Exit(1)
	}
}
