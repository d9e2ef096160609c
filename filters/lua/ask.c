/* The questions of filter.h as fields and functions of `weir`. A question that has no answer now
 * says nil, or 0 where it counts; a field that is not known is an error. */
#include <string.h>

#include "api.h"

/* ---- Fields ---- */

typedef const char *(*AskText) (WeirContext *context);

static const struct
{
  const char *name;
  AskText ask;
} texts[] = {
  { "filter_name", weir_filter_name },
  { "listener", weir_listener },
  { "hostname", weir_hostname },
  { "session_id", weir_session_id },
  { "message_id", weir_message_id },
  { "client_address", weir_client_address },
  { "client_name", weir_client_name },
  { "helo", weir_helo },
  { "verb", weir_verb },
  { "status", weir_status },
  { "user", weir_user },
  { "user_mechanism", weir_user_mechanism },
  { "tls_protocol", weir_tls_protocol },
  { "tls_cipher", weir_tls_cipher },
  { "sender", weir_sender },
};

static gint64
header_index (WeirContext *context)
{
  guint index = weir_header_index (context);

  return index == WEIR_NO_HEADER ? -1 : (gint64) index + 1;
}

static gint64
client_port (WeirContext *context)
{
  return weir_client_port (context);
}

static gint64
header_count (WeirContext *context)
{
  return weir_header_count (context);
}

static gint64
message_size (WeirContext *context)
{
  return (gint64) weir_message_size (context);
}

typedef gint64 (*AskNumber) (WeirContext *context); /* -1: nil */

static const struct
{
  const char *name;
  AskNumber ask;
} numbers[] = {
  { "client_port", client_port },   { "header_count", header_count },
  { "header_index", header_index }, { "message_size", message_size },
  { "time_left", weir_time_left },
};

static void
push_list (lua_State *lua, const char *const *list)
{
  lua_newtable (lua);
  for (int i = 0; list != NULL && list[i] != NULL; i++)
    {
      lua_pushstring (lua, list[i]);
      lua_rawseti (lua, -2, i + 1);
    }
}

static void
push_recipients (lua_State *lua, WeirContext *context)
{
  guint count = weir_recipient_count (context);

  lua_newtable (lua);
  for (guint i = 0; i < count; i++)
    {
      lua_pushstring (lua, weir_recipient (context, i));
      lua_rawseti (lua, -2, (lua_Integer) i + 1);
    }
}

static gboolean
push_list_field (lua_State *lua, const char *name)
{
  if (strcmp (name, "arguments") == 0)
    push_list (lua, machine_of (lua)->arguments);
  else if (strcmp (name, "recipients") == 0)
    push_recipients (lua, api_context (lua));
  else if (strcmp (name, "sender_parameters") == 0)
    push_list (lua, weir_sender_parameters (api_context (lua)));
  else
    return FALSE;
  return TRUE;
}

gboolean
api_push_field (lua_State *lua, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (strcmp (name, texts[i].name) == 0)
      {
        lua_pushstring (lua, texts[i].ask (api_context (lua)));
        return TRUE;
      }
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (strcmp (name, numbers[i].name) == 0)
      {
        gint64 number = numbers[i].ask (api_context (lua));

        if (number < 0)
          lua_pushnil (lua);
        else
          lua_pushinteger (lua, number);
        return TRUE;
      }
  return push_list_field (lua, name);
}

/* ---- Functions ---- */

static int
on_note (lua_State *lua)
{
  lua_pushstring (lua, weir_note (api_context (lua), api_text (lua, 1)));
  return 1;
}

static int
on_set_note (lua_State *lua)
{
  const char *name = api_text (lua, 1);

  weir_set_note (api_context (lua), name, "%s", api_text (lua, 2));
  return 0;
}

/* Its arguments with a space between, as print does with tabs. */
static int
on_log (lua_State *lua)
{
  WeirContext *context = api_context (lua);
  int count = lua_gettop (lua);

  luaL_checkstack (lua, 2 * count + 2, NULL);
  lua_pushliteral (lua, "");
  for (int i = 1; i <= count; i++)
    {
      if (i > 1)
        lua_pushliteral (lua, " ");
      luaL_tolstring (lua, i, NULL);
      lua_concat (lua, i > 1 ? 3 : 2);
    }
  weir_log (context, "%s", lua_tostring (lua, -1));
  return 0;
}

static int
on_recipient_parameters (lua_State *lua)
{
  push_list (lua, weir_recipient_parameters (api_context (lua), api_index (lua, 1)));
  return 1;
}

typedef const char *(*AskField) (WeirContext *context, guint index);

static int
ask_field (lua_State *lua, AskField ask)
{
  lua_pushstring (lua, ask (api_context (lua), api_index (lua, 1)));
  return 1;
}

static int
on_header_name (lua_State *lua)
{
  return ask_field (lua, weir_header_name);
}

static int
on_header_value (lua_State *lua)
{
  return ask_field (lua, weir_header_value);
}

static int
on_header_raw (lua_State *lua)
{
  return ask_field (lua, weir_header_raw);
}

static guint
find (lua_State *lua)
{
  guint nth = lua_isnoneornil (lua, 2) ? 0 : api_index (lua, 2);

  return weir_header_find (api_context (lua), api_text (lua, 1), nth);
}

static int
on_header_find (lua_State *lua)
{
  guint index = find (lua);

  if (index == WEIR_NO_HEADER)
    lua_pushnil (lua);
  else
    lua_pushinteger (lua, (lua_Integer) index + 1);
  return 1;
}

/* The value of the field of that name, or of the nth of them. */
static int
on_header (lua_State *lua)
{
  guint index = find (lua);

  lua_pushstring (lua,
                  index == WEIR_NO_HEADER ? NULL : weir_header_value (api_context (lua), index));
  return 1;
}

static int
next_header (lua_State *lua)
{
  WeirContext *context = api_context (lua);
  lua_Integer index = lua_tointeger (lua, 2);

  if (index < 0 || index >= weir_header_count (context))
    return 0;
  lua_pushinteger (lua, index + 1);
  lua_pushstring (lua, weir_header_name (context, (guint) index));
  lua_pushstring (lua, weir_header_value (context, (guint) index));
  return 3;
}

/* for index, name, value in weir.headers () do */
static int
on_headers (lua_State *lua)
{
  lua_pushcfunction (lua, next_header);
  lua_pushnil (lua);
  lua_pushinteger (lua, 0);
  return 3;
}

/* weir.message_read ([from [, length]]) */
static int
on_message_read (lua_State *lua)
{
  WeirContext *context = api_context (lua);
  guint64 size = weir_message_size (context);
  lua_Integer from = luaL_optinteger (lua, 1, 1);
  lua_Integer length = luaL_optinteger (lua, 2, LUA_MAXINTEGER);
  guint64 offset = (guint64) from - 1;
  luaL_Buffer buffer;
  gssize got = 0;

  luaL_argcheck (lua, from >= 1, 1, "counted from 1");
  luaL_argcheck (lua, length >= 0, 2, "no length");
  length = (lua_Integer) MIN ((guint64) length, size - MIN (size, offset));
  got = weir_message_read (context, offset, luaL_buffinitsize (lua, &buffer, (size_t) length),
                           (gsize) length);
  if (got < 0)
    lua_pushnil (lua);
  else
    luaL_pushresultsize (&buffer, (size_t) got);
  return 1;
}

static int
on_decode_words (lua_State *lua)
{
  lua_pushstring (lua, machine_keep_text (machine_of (lua), weir_decode_words (api_text (lua, 1))));
  return 1;
}

const luaL_Reg api_questions[] = {
  { "note", on_note },
  { "set_note", on_set_note },
  { "log", on_log },
  { "recipient_parameters", on_recipient_parameters },
  { "header", on_header },
  { "headers", on_headers },
  { "header_find", on_header_find },
  { "header_name", on_header_name },
  { "header_value", on_header_value },
  { "header_raw", on_header_raw },
  { "message_read", on_message_read },
  { "decode_words", on_decode_words },
  { NULL, NULL },
};
