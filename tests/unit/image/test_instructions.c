/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --change: each instruction in its forms, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "image/instructions.h"

static void expect(const char *before, const char *instruction, const char *after)
{
	cJSON *config = cJSON_Parse(before);
	scow_error *error = NULL;
	char *text;

	if (instruction_apply(config, instruction, &error) < 0)
		fail_msg("'%s': %s", instruction, scow_error_message(error));
	text = json_print(config);
	if (strcmp(text, after) != 0)
		fail_msg("'%s': %s and not %s", instruction, text, after);
	free(text);
	cJSON_Delete(config);
}

static void refuse(const char *instruction, const char *words)
{
	cJSON *config = cJSON_CreateObject();
	scow_error *error = NULL;
	int r = instruction_apply(config, instruction, &error);

	if (r != SCOW_E_INVALID || !strstr(scow_error_message(error), words))
		fail_msg("'%s': %d, '%s' without '%s'", instruction, r, scow_error_message(error), words);
	scow_error_unref(error);
	cJSON_Delete(config);
}

static void test_commands(void **state)
{
	(void) state;
	expect("{}", "CMD [\"a\", \"b c\"]", "{\"Cmd\":[\"a\",\"b c\"]}");
	expect("{}", "cmd  echo $HOME 'x' ", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"echo $HOME 'x'\"]}");
	expect("{\"Shell\":[\"/bin/bash\",\"-ec\"]}", "CMD x", "{\"Shell\":[\"/bin/bash\",\"-ec\"],\"Cmd\":[\"/bin/bash\",\"-ec\",\"x\"]}");
	expect("{}", "CMD [not json", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"[not json\"]}");
	expect("{}", "CMD []", "{\"Cmd\":[]}");
	expect("{\"Cmd\":[\"old\"]}", "ENTRYPOINT [\"e\"]", "{\"Entrypoint\":[\"e\"]}");
	expect("{}", "SHELL [\"/bin/ash\", \"-c\"]", "{\"Shell\":[\"/bin/ash\",\"-c\"]}");
	refuse("SHELL /bin/sh", "JSON array");
	refuse("CMD", "says nothing");
}

static void test_pairs(void **state)
{
	(void) state;
	expect("{}", "ENV a=1 b=\"2 3\" c='$a' d=x\\ y", "{\"Env\":[\"a=1\",\"b=2 3\",\"c=$a\",\"d=x y\"]}");
	expect("{\"Env\":[\"a=1\",\"P=/bin\"]}", "ENV P=$P:/x a=${a}2 n=${none:-d} y=${a:+yes} z=${none:+no}",
	       "{\"Env\":[\"a=12\",\"P=/bin:/x\",\"n=d\",\"y=yes\",\"z=\"]}");
	expect("{}", "ENV name some text", "{\"Env\":[\"name=some text\"]}");
	expect("{\"Env\":[\"a=1\"]}", "ENV a=2 b=$a", "{\"Env\":[\"a=2\",\"b=1\"]}");
	expect("{}", "LABEL x=y \"a b\"=\"c d\"", "{\"Labels\":{\"x\":\"y\",\"a b\":\"c d\"}}");
	expect("{\"Labels\":{\"x\":\"1\"}}", "LABEL x=2", "{\"Labels\":{\"x\":\"2\"}}");
	refuse("ENV a", "no value");
	refuse("ENV a=1 b", "not NAME=VALUE");
	refuse("ENV a=\"x", "no end");
	refuse("ENV a=${x", "no end");
	refuse("ENV a=${x?y}", "not understood");
	refuse("ENV =x", "not NAME=VALUE");
}

static void test_sets(void **state)
{
	(void) state;
	expect("{}", "EXPOSE 80 53/UDP 8000-8001", "{\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{},\"8000/tcp\":{},\"8001/tcp\":{}}}");
	expect("{\"Env\":[\"P=81\"]}", "EXPOSE $P", "{\"Env\":[\"P=81\"],\"ExposedPorts\":{\"81/tcp\":{}}}");
	expect("{}", "VOLUME /a /b", "{\"Volumes\":{\"/a\":{},\"/b\":{}}}");
	expect("{}", "VOLUME [\"/a b\"]", "{\"Volumes\":{\"/a b\":{}}}");
	refuse("EXPOSE 0", "1 to 65535");
	refuse("EXPOSE x", "not a port");
	refuse("EXPOSE 80/icmp", "port");
	refuse("EXPOSE 9-8", "port");
	refuse("VOLUME [\"\"]", "empty");
}

static void test_values(void **state)
{
	(void) state;
	expect("{}", "USER app:staff", "{\"User\":\"app:staff\"}");
	expect("{}", "WORKDIR /a/../b/", "{\"WorkingDir\":\"/b\"}");
	expect("{\"WorkingDir\":\"/a\"}", "WORKDIR b", "{\"WorkingDir\":\"/a/b\"}");
	expect("{}", "STOPSIGNAL SIGRTMIN+3", "{\"StopSignal\":\"SIGRTMIN+3\"}");
	expect("{}", "ONBUILD RUN x", "{\"OnBuild\":[\"RUN x\"]}");
	refuse("STOPSIGNAL a b", "not a signal");
	refuse("ONBUILD FROM x", "cannot hold FROM");
	refuse("ONBUILD onbuild RUN x", "cannot hold ONBUILD");
	refuse("RUN x", "no instruction");
	refuse("", "no instruction");
}

static void test_health(void **state)
{
	(void) state;
	expect("{}", "HEALTHCHECK NONE", "{\"Healthcheck\":{\"Test\":[\"NONE\"]}}");
	expect("{}", "HEALTHCHECK CMD curl x", "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"curl x\"]}}");
	expect("{}", "HEALTHCHECK --interval=1m30s --retries=2 --start-period=1.5s CMD [\"a\"]",
	       "{\"Healthcheck\":{\"Interval\":90000000000,\"Retries\":2,\"StartPeriod\":1500000000,\"Test\":[\"CMD\",\"a\"]}}");
	refuse("HEALTHCHECK --interval=x CMD a", "bad value");
	refuse("HEALTHCHECK --nothing=x CMD a", "no flag");
	refuse("HEALTHCHECK CMD", "CMD and a command");
	refuse("HEALTHCHECK RUN x", "CMD and a command");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands), cmocka_unit_test(test_pairs),  cmocka_unit_test(test_sets),
		cmocka_unit_test(test_values),   cmocka_unit_test(test_health),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
