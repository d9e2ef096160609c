/* The edits of filter.h as functions of `weir`. One that can not be made raises an error: a script
 * that does not catch it has failed, and none of its edits is made. */
#include "api.h"

#define MAX_PARAMETERS 64

/* The strings of an optional list at `argument`; they live as long as the list does. */
static const char *const *
check_list (lua_State *lua, int argument, const char *list[MAX_PARAMETERS + 1])
{
  lua_Unsigned count = 0;

  if (lua_isnoneornil (lua, argument))
    return NULL;
  luaL_checktype (lua, argument, LUA_TTABLE);
  count = lua_rawlen (lua, argument);
  luaL_argcheck (lua, count <= MAX_PARAMETERS, argument, "too many parameters");
  for (lua_Unsigned i = 0; i < count; i++)
    {
      if (lua_rawgeti (lua, argument, (lua_Integer) i + 1) != LUA_TSTRING)
        luaL_argerror (lua, argument, "a list of strings");
      list[i] = api_text (lua, -1);
      lua_pop (lua, 1);
    }
  list[count] = NULL;
  return list;
}

/* The end of every edit. */
static int
finish (lua_State *lua, gboolean done, GError *error)
{
  return done ? 0 : api_raise (lua, error);
}

typedef gboolean (*EditPath) (WeirContext *context, const char *address,
                              const char *const *parameters, GError **error);

static int
edit_path (lua_State *lua, EditPath edit)
{
  const char *list[MAX_PARAMETERS + 1];
  const char *address = api_text (lua, 1);
  const char *const *parameters = check_list (lua, 2, list);
  GError *error = NULL;
  gboolean done = edit (api_context (lua), address, parameters, &error);

  return finish (lua, done, error);
}

static int
on_set_sender (lua_State *lua)
{
  return edit_path (lua, weir_set_sender);
}

static int
on_add_recipient (lua_State *lua)
{
  return edit_path (lua, weir_add_recipient);
}

static int
on_remove_recipient (lua_State *lua)
{
  const char *address = api_text (lua, 1);
  GError *error = NULL;
  gboolean done = weir_remove_recipient (api_context (lua), address, &error);

  return finish (lua, done, error);
}

typedef gboolean (*AddField) (WeirContext *context, const char *name, const char *value,
                              GError **error);

static int
add_field (lua_State *lua, AddField add)
{
  const char *name = api_text (lua, 1);
  const char *value = api_text (lua, 2);
  GError *error = NULL;
  gboolean done = add (api_context (lua), name, value, &error);

  return finish (lua, done, error);
}

static int
on_header_prepend (lua_State *lua)
{
  return add_field (lua, weir_header_prepend);
}

static int
on_header_append (lua_State *lua)
{
  return add_field (lua, weir_header_append);
}

typedef gboolean (*InsertField) (WeirContext *context, guint index, const char *name,
                                 const char *value, GError **error);

static int
insert_field (lua_State *lua, InsertField insert)
{
  guint index = api_index (lua, 1);
  const char *name = api_text (lua, 2);
  const char *value = api_text (lua, 3);
  GError *error = NULL;
  gboolean done = insert (api_context (lua), index, name, value, &error);

  return finish (lua, done, error);
}

static int
on_header_insert (lua_State *lua)
{
  return insert_field (lua, weir_header_insert);
}

static int
on_header_insert_raw (lua_State *lua)
{
  return insert_field (lua, weir_header_insert_raw);
}

typedef gboolean (*ChangeField) (WeirContext *context, guint index, const char *value,
                                 GError **error);

static int
change_field (lua_State *lua, ChangeField change)
{
  guint index = api_index (lua, 1);
  const char *value = api_text (lua, 2);
  GError *error = NULL;
  gboolean done = change (api_context (lua), index, value, &error);

  return finish (lua, done, error);
}

static int
on_header_change (lua_State *lua)
{
  return change_field (lua, weir_header_change);
}

static int
on_header_change_raw (lua_State *lua)
{
  return change_field (lua, weir_header_change_raw);
}

static int
on_header_remove (lua_State *lua)
{
  guint index = api_index (lua, 1);
  GError *error = NULL;
  gboolean done = weir_header_remove (api_context (lua), index, &error);

  return finish (lua, done, error);
}

typedef gboolean (*Replace) (WeirContext *context, const char *text, gssize length, GError **error);

static int
replace (lua_State *lua, Replace edit)
{
  size_t length = 0;
  const char *text = luaL_checklstring (lua, 1, &length);
  GError *error = NULL;
  gboolean done = edit (api_context (lua), text, (gssize) length, &error);

  return finish (lua, done, error);
}

static int
on_body_replace (lua_State *lua)
{
  return replace (lua, weir_body_replace);
}

static int
on_message_replace (lua_State *lua)
{
  return replace (lua, weir_message_replace);
}

const luaL_Reg api_edits[] = {
  { "set_sender", on_set_sender },
  { "add_recipient", on_add_recipient },
  { "remove_recipient", on_remove_recipient },
  { "header_prepend", on_header_prepend },
  { "header_append", on_header_append },
  { "header_insert", on_header_insert },
  { "header_change", on_header_change },
  { "header_insert_raw", on_header_insert_raw },
  { "header_change_raw", on_header_change_raw },
  { "header_remove", on_header_remove },
  { "body_replace", on_body_replace },
  { "message_replace", on_message_replace },
  { NULL, NULL },
};
