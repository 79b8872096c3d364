#!/bin/sh
# blob.sh PROGRAM OUTPUT: an assembler file that puts the program's bytes into .rodata (engine/helper.h).
set -eu
program=$(realpath "$1")
cat >"$2" <<END
	.section .rodata
	.globl helper_blob
	.hidden helper_blob
	.balign 16
helper_blob:
	.incbin "$program"
	.globl helper_blob_size
	.hidden helper_blob_size
	.balign 8
helper_blob_size:
	.quad helper_blob_size - helper_blob
	.section .note.GNU-stack,"",%progbits
END
