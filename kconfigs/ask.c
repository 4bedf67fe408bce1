// SPDX-License-Identifier: GPL-2.0-only
/*
 * ask - what the Kconfig of a tree says about options: linked against the objects of that tree's
 * own scripts/kconfig, so the kernel's parser reads the kernel's files.
 *
 *	ask [words of scripts/kconfig/conf] KCONFIG
 *
 * It stands in for scripts/kconfig/conf while "make listnewconfig" runs, which gives it the
 * environment that Kconfig files ask for. The names of the options, without CONFIG_, stand in the
 * variable ASKED, parted by spaces. Each line of the answers is made of fields parted by tabs,
 * and the first is "answer":
 *
 *	answer option NAME TYPE VALUE	TYPE is "unknown" when no Kconfig file defines it
 *	answer depends EXPRESSION	a part of "depends on" that is not met
 *	answer prompt EXPRESSION	a part of what a prompt needs to be seen, not met; empty
 *					for a prompt that is seen
 *	answer range EXPRESSION		the numbers that may be given
 *	answer selected EXPRESSION	what selects it now
 *	answer choice NAME		what was chosen instead
 *
 * The lines of an option follow its first. Only what lkc.h has since Linux 3.7 is used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lkc.h"

static void line(const char *what, struct expr *expr)
{
	struct gstr text = str_new();

	if (expr)
		expr_gstr_print(expr, &text);
	printf("answer\t%s\t%s\n", what, str_get(&text));
	str_free(&text);
}

/* The parts of "A && B && ..." that are not met: what a person has to look at. */
static void unmet(const char *what, struct expr *expr)
{
	if (!expr || expr_calc_value(expr) == yes)
		return;
	if (expr->type == E_AND) {
		unmet(what, expr->left.expr);
		unmet(what, expr->right.expr);
	} else {
		line(what, expr);
	}
}

/* The parts of "A || B || ..." that hold. */
static void holding(const char *what, struct expr *expr)
{
	if (!expr || expr_calc_value(expr) == no)
		return;
	if (expr->type == E_OR) {
		holding(what, expr->left.expr);
		holding(what, expr->right.expr);
	} else {
		line(what, expr);
	}
}

/* The option that a choice has taken, when that is another one. */
static void rival(struct symbol *symbol, struct menu *menu)
{
	if (!menu || !menu->parent || !menu->parent->sym || !sym_is_choice(menu->parent->sym))
		return;
	for (menu = menu->parent->list; menu; menu = menu->next) {
		if (!menu->sym || !menu->sym->name || menu->sym == symbol)
			continue;
		sym_calc_value(menu->sym);
		if (menu->sym->curr.tri == yes)
			printf("answer\tchoice\t%s\n", menu->sym->name);
	}
}

static void answer(const char *name)
{
	struct symbol *symbol = sym_find(name);
	struct property *property;

	if (!symbol || symbol->type == S_UNKNOWN) {
		printf("answer\toption\t%s\tunknown\t\n", name);
		return;
	}
	sym_calc_value(symbol);
	printf("answer\toption\t%s\t%s\t%s\n", name, sym_type_name(symbol->type),
		sym_get_string_value(symbol));
	unmet("depends", symbol->dir_dep.expr);
	for_all_prompts(symbol, property) {
		if (!property->visible.expr || expr_calc_value(property->visible.expr) != no)
			line("prompt", NULL);
		else
			unmet("prompt", property->visible.expr);
		rival(symbol, property->menu);
	}
	for_all_properties(symbol, property, P_RANGE)
		if (!property->visible.expr || expr_calc_value(property->visible.expr) != no)
			line("range", property->expr);
	holding("selected", symbol->rev_dep.expr);
}

int main(int argc, char **argv)
{
	char *asked = getenv("ASKED");
	char *name;

	if (argc < 2 || !asked)
		return 1;
	conf_parse(argv[argc - 1]);
	if (conf_read(NULL))
		return 1;
	for (name = strtok(asked, " "); name; name = strtok(NULL, " "))
		answer(name);
	return fflush(stdout) ? 1 : 0;
}
