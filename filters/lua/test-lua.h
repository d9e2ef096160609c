/* What the tests of the filter "lua" share: a script from text, and what became of a message. */
#pragma once

#include <mailweir/test.h>

/* A harness with one filter "f" that runs this script; `options` are more of its options. */
WeirTest *lua_harness (const char *script, const char *options);
/* The same, and the message that is run; all in one. */
WeirTestResult *lua_run (const char *script, const char *message);
/* Runs `mail` of the script, and checks that the filter fails with a reason that has this. */
void lua_expect_failure (const char *script, const char *reason);
/* What is wrong with loading it; "" when nothing is. Caller frees. */
char *lua_load_errors (const char *script, const char *options);
void lua_assert_has (const char *text, const char *part);

void lua_add_limit_tests (void);
void lua_add_api_tests (void);
