#!/bin/sh
# embed.sh INPUT OUTPUT SYMBOL: an assembler file that puts a file's bytes, and a NUL after them, into .rodata as SYMBOL and SYMBOL_size.
set -eu
input=$(realpath "$1")
cat >"$2" <<END
	.section .rodata
	.globl $3
	.hidden $3
	.balign 16
$3:
	.incbin "$input"
$3_end:
	.byte 0
	.globl $3_size
	.hidden $3_size
	.balign 8
$3_size:
	.quad $3_end - $3
	.section .note.GNU-stack,"",%progbits
END
