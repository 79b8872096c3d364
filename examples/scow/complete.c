/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What could be typed next. `scow completion SHELL` prints a few lines for the shell, which ask us at every key by
 *     scow __complete -- WORD... CURRENT-WORD
 * Answers are lines of a word and, after a tab, its meaning; the line ":" asks for names of files. They come from the tables by
 * which command lines are read, and from the store: no list to keep up.
 */
#include "cli.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct completion {
	struct cli *cli;
	const char *before; /* what of the current word stays: "--network=" */
	const char *typed;  /* the part that is completed */
};

static void offer(const struct completion *c, const char *word, const char *meaning)
{
	if (starts_with(word, c->typed))
		printf("%s%s\t%s\n", c->before, word, meaning ? meaning : "");
}

static void offer_files(void)
{
	printf(":\n");
}

/* ---- from the store ---- */

enum which { EVERY, RUNNING, STOPPED };

static void offer_containers(const struct completion *c, const char *prefix, enum which which)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_container *container;

	if (!cli_engine(c->cli) || scow_container_list(c->cli->engine, which == RUNNING ? 0 : SCOW_LIST_ALL, &iter, NULL) < 0)
		return;
	while ((container = scow_iter_next_container(iter))) {
		const char *state = scow_container_listed(container, SCOW_LISTED_STATE);

		if (which != STOPPED || strcmp(state, "exited") == 0 || strcmp(state, "created") == 0)
			offer(c, keep_format("%s%s", prefix, scow_container_name(container)), scow_container_image_name(container));
	}
}

static void offer_images(const struct completion *c)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_image *image;

	if (!cli_engine(c->cli) || scow_image_list(c->cli->engine, NULL, &iter, NULL) < 0)
		return;
	while ((image = scow_iter_next_image(iter)))
		for (size_t i = 0; i < scow_image_tag_count(image); i++)
			offer(c, scow_image_tag_at(image, i), short_id(scow_image_id(image), false));
}

static void offer_networks(const struct completion *c, bool custom)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_network *network;

	if (!cli_engine(c->cli) || scow_network_list(c->cli->engine, custom ? "{\"type\":[\"custom\"]}" : NULL, &iter, NULL) < 0)
		return;
	while ((network = scow_iter_next_network(iter)))
		offer(c, scow_network_name(network), scow_network_driver(network));
}

static void offer_volumes(const struct completion *c)
{
	SCOW_AUTO(scow_iter) *iter = NULL;
	scow_volume *volume;

	if (!cli_engine(c->cli) || scow_volume_list(c->cli->engine, NULL, &iter, NULL) < 0)
		return;
	while ((volume = scow_iter_next_volume(iter)))
		offer(c, scow_volume_name(volume), scow_volume_driver_name(volume));
}

/* ---- from the tables ---- */

/* Names without a blank; or, in a group, the second words of its commands. */
static void offer_commands(const struct completion *c, const char *group)
{
	const char *prefix = group ? keep_format("%s ", group) : "";
	const struct command *command;

	for (size_t i = 0; (command = cli_command(i)); i++) {
		const char *names =
			keep_format("%s%s%s", command->name, command->aliases ? ", " : "", command->aliases ? command->aliases : "");

		for (const char *p = names; command->summary && *p; p += strcspn(p, ","), p += strspn(p, ", ")) {
			const char *name = keep_format("%.*s", (int) strcspn(p, ","), p);

			if (starts_with(name, prefix) && !strchr(name + strlen(prefix), ' '))
				offer(c, name + strlen(prefix), command->summary);
		}
	}
	for (size_t i = 0; !group && cli_groups[i].name; i++)
		offer(c, cli_groups[i].name, cli_groups[i].summary);
}

static bool takes_value(const struct option *option)
{
	return option->kind != OPTION_SWITCH && (option->kind != OPTION_LATER || option->argument);
}

static void offer_options(const struct completion *c, const struct option *table)
{
	for (const struct option *option = table; option && option->name; option++)
		if (option->kind != OPTION_LATER && option->help)
			offer(c, keep_format("--%s", option->name), option->help);
	offer(c, "--help", "Show how to use the command");
}

/* "--name", "--name=..." or the last letter of "-it": the option of which @word asks a value. */
static const struct option *find_option(const struct option *table, const char *word)
{
	size_t length = starts_with(word, "--") ? strcspn(word + 2, "=") : 0;
	char letter = word[strlen(word) - 1];

	for (; table && table->name; table++)
		if (length ? strlen(table->name) == length && strncmp(table->name, word + 2, length) == 0
			   : table->letter && table->letter == letter)
			return table;
	return NULL;
}

/* The values that the help names, as in "(no|on-failure[:max]|always)"; false if it names none. */
static bool offer_named_values(const struct completion *c, const char *help)
{
	const char *open = help ? strchr(help, '(') : NULL, *close = open ? strchr(open, ')') : NULL;
	bool any = false;

	if (!close || !memchr(open, '|', (size_t) (close - open)))
		return false;
	for (const char *p = open; p < close; p += strcspn(p, "|)")) {
		size_t length = strspn(++p, "abcdefghijklmnopqrstuvwxyz-");

		/* What is longer than its small letters has a part that is for the user to fill in. */
		if (!length || !strchr("|)[", p[length]))
			continue;
		offer(c, keep_format("%.*s", (int) length, p), NULL);
		any = true;
	}
	if (strstr(open, "container:NAME"))
		offer_containers(c, "container:", RUNNING);
	if (strstr(help, "Network, by name"))
		offer_networks(c, true);
	return any;
}

static void offer_values(const struct completion *c, const struct option *option)
{
	if (!offer_named_values(c, option->help))
		offer_files();
}

/* "[OPTIONS] IMAGE [COMMAND] [ARG...]": the word for argument @index, without brackets; NULL: it takes no more. */
static const char *argument_name(const char *usage, int index)
{
	const char *word = NULL, *next = usage;

	while (*next) {
		size_t length = strcspn(next, " ");
		const char *found = keep_format("%.*s", (int) length, next);

		next += length + (next[length] == ' ');
		if (strcmp(found, "[OPTIONS]") == 0)
			continue;
		word = found + strspn(found, "[");
		if (index-- == 0 || (!*next && strstr(word, "...")))
			return word;
	}
	return NULL;
}

static void offer_argument(const struct completion *c, const struct command *command, int index)
{
	static const char *const running[] = { "attach", "exec", "stop", "kill", "pause", "unpause", "top", "stats", "port" };
	const char *name = argument_name(command->usage, index);
	enum which which = strcmp(command->name, "start") == 0 ? STOPPED : EVERY;

	if (!name)
		return;
	for (size_t i = 0; i < sizeof running / sizeof *running; i++)
		if (strcmp(command->name, running[i]) == 0)
			which = RUNNING;
	if (strcmp(command->name, "help") == 0)
		offer_commands(c, NULL);
	else if (strcmp(command->name, "completion") == 0)
		offer_named_values(c, "(bash|zsh|fish)");
	else if (starts_with(name, "CONTAINER:")) {
		offer_containers(c, "", EVERY);
		offer_files();
	} else if (starts_with(name, "CONTAINER"))
		offer_containers(c, "", which);
	else if (starts_with(name, "NETWORK") && !strstr(command->name, "create"))
		offer_networks(c, strstr(command->name, " rm"));
	else if (starts_with(name, "VOLUME") && !strstr(command->name, "create"))
		offer_volumes(c);
	else if (starts_with(name, "IMAGE") || starts_with(name, "REPOSITORY"))
		offer_images(c);
	else if (starts_with(name, "NAME|ID")) {
		offer_containers(c, "", EVERY);
		offer_images(c);
	} else {
		offer_files();
	}
}

/* ---- the line ---- */

/* Of the @n words before the current one: which option waits for its value, and how many arguments there are. */
static const struct option *read_line(const struct option *table, bool options_first, int n, char **words, int *arguments, bool *ended)
{
	const struct option *waiting = NULL;

	*arguments = 0;
	*ended = false;
	for (int i = 0; i < n; i++) {
		if (waiting) {
			waiting = NULL;
		} else if (*ended || words[i][0] != '-' || !words[i][1]) {
			*arguments += 1;
			*ended = *ended || options_first;
		} else if (strcmp(words[i], "--") == 0) {
			*ended = true;
		} else if (!strchr(words[i], '=')) {
			waiting = find_option(table, words[i]);
			if (waiting && !takes_value(waiting))
				waiting = NULL;
		}
	}
	return waiting;
}

static void complete_with(struct completion *c, const struct option *table, const struct command *command, int n, char **words)
{
	int arguments;
	bool ended;
	const struct option *option = read_line(table, !command || command->options_first, n, words, &arguments, &ended);
	const char *value = strchr(c->typed, '=');

	if (option) {
		offer_values(c, option);
	} else if (!ended && starts_with(c->typed, "--") && value) {
		option = find_option(table, c->typed);
		c->before = keep_format("%.*s", (int) (value + 1 - c->typed), c->typed);
		c->typed = value + 1;
		if (option)
			offer_values(c, option);
	} else if (!ended && c->typed[0] == '-') {
		offer_options(c, table);
	} else if (command) {
		offer_argument(c, command, arguments);
	} else {
		offer_commands(c, NULL);
	}
}

static int complete(struct cli *cli, void *target, int argc, char **argv)
{
	struct completion c = { cli, "", argc ? argv[argc - 1] : "" };
	const struct command *command = NULL;
	const struct option *option;
	const char *name;
	int first = 0;

	(void) target;
	/* The flags before the command, of which we need the store's place. */
	for (; first < argc - 1 && argv[first][0] == '-'; first++) {
		option = find_option(cli_options, argv[first]);
		if (option && takes_value(option) && !strchr(argv[first], '=') && first + 1 < argc - 1)
			first++;
		if (option && strcmp(option->name, "root") == 0)
			cli->root = starts_with(argv[first], "--root=") ? argv[first] + strlen("--root=") : argv[first];
	}
	if (first >= argc - 1) {
		complete_with(&c, cli_options, NULL, argc ? argc - 1 : 0, argv);
		return 0;
	}
	name = argv[first];
	for (size_t i = 0; cli_groups[i].name; i++)
		if (strcmp(name, cli_groups[i].name) == 0) {
			if (first + 1 == argc - 1) {
				offer_commands(&c, name);
				return 0;
			}
			name = keep_format("%s %s", name, argv[++first]);
			break;
		}
	command = cli_find_command(name);
	if (command)
		complete_with(&c, command->options, command, argc - 2 - first, argv + first + 1);
	return 0;
}

/* ---- for the shells ---- */

static const char bash_script[] = "# bash completion for scow:  source <(scow completion bash)\n"
				  "_scow() {\n"
				  "\tlocal line=${COMP_LINE:0:COMP_POINT} words word current prefix= breaks= candidate meaning\n"
				  "\tread -ra words <<<\"$line\"\n"
				  "\t[[ $line == *[[:space:]] ]] && words+=(\"\")\n"
				  "\tcurrent=${words[${#words[@]}-1]}\n"
				  "\t# readline replaces only what follows the last of its breaks\n"
				  "\t[[ $COMP_WORDBREAKS == *:* ]] && breaks+=:\n"
				  "\t[[ $COMP_WORDBREAKS == *=* ]] && breaks+==\n"
				  "\t[[ $breaks ]] && prefix=${current%\"${current##*[$breaks]}\"}\n"
				  "\tCOMPREPLY=()\n"
				  "\twhile IFS=$'\\t' read -r candidate meaning; do\n"
				  "\t\tif [[ $candidate == : ]]; then compopt -o default 2>/dev/null\n"
				  "\t\telse COMPREPLY+=(\"${candidate#\"$prefix\"}\"); fi\n"
				  "\tdone < <(\"$1\" __complete -- \"${words[@]:1}\" 2>/dev/null)\n"
				  "}\n"
				  "complete -F _scow scow\n";

static const char zsh_script[] = "#compdef scow\n"
				 "# zsh completion for scow:  source <(scow completion zsh), after compinit; or a file _scow in $fpath\n"
				 "_scow() {\n"
				 "\tlocal -a candidates meanings\n"
				 "\tlocal candidate meaning files\n"
				 "\twhile IFS=$'\\t' read -r candidate meaning; do\n"
				 "\t\tif [[ $candidate == : ]]; then files=1\n"
				 "\t\telse candidates+=(\"$candidate\"); meanings+=(\"$candidate${meaning:+  -- $meaning}\"); fi\n"
				 "\tdone < <(\"${words[1]}\" __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
				 "\t(( $#candidates )) && compadd -l -d meanings -a candidates\n"
				 "\t[[ -n $files ]] && _files\n"
				 "}\n"
				 "if [[ $funcstack[1] == _scow ]]; then _scow \"$@\"; else compdef _scow scow; fi\n";

static const char fish_script[] = "# fish completion for scow:  scow completion fish | source\n"
				  "function __scow_complete\n"
				  "\tset -l words (commandline -opc)\n"
				  "\tset -l current (commandline -ct)\n"
				  "\tfor line in (command $words[1] __complete -- $words[2..-1] \"$current\" 2>/dev/null)\n"
				  "\t\tif test \"$line\" = :\n"
				  "\t\t\t__fish_complete_path \"$current\"\n"
				  "\t\telse\n"
				  "\t\t\techo $line\n"
				  "\t\tend\n"
				  "\tend\n"
				  "end\n"
				  "complete -c scow -f -a '(__scow_complete)'\n";

static int completion(struct cli *cli, void *target, int argc, char **argv)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = { { "bash", bash_script }, { "zsh", zsh_script }, { "fish", fish_script } };

	(void) target;
	(void) argc;
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
		if (strcmp(argv[0], scripts[i].shell) == 0)
			return fputs(scripts[i].script, stdout) < 0;
	return complain_usage(cli, "'%s' is no shell that we know: bash, zsh or fish", argv[0]);
}

const struct command complete_commands[] = {
	{ "completion", NULL, "bash|zsh|fish", "Print a shell's completion of scow's command lines", NULL, 0, 1, 1, false, completion },
	{ "__complete", NULL, "", NULL, NULL, 0, 0, -1, true, complete },
	{ NULL },
};
