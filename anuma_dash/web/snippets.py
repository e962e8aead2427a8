"""Ready-made calls of the gateway: with a key's secret on the one page that may show it, else with a placeholder."""

from __future__ import annotations

from dataclasses import dataclass

TRY_OUT_MODEL = "anuma/echo"

VARIABLE = "ANUMA_API_KEY"
Snippet = tuple[str, str, str]
"""What the tab says, the language, the code."""

_CURL = """curl {base_url}/chat/completions \\
  -H "Authorization: Bearer {secret}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'"""

_CURL_STREAM = """curl -N {base_url}/chat/completions \\
  -H "Authorization: Bearer {secret}" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'"""

_PYTHON = """{imports}from openai import OpenAI

client = OpenAI(base_url="{base_url}", api_key={secret})
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "Hello"}}],
)
print(answer.choices[0].message.content)"""

_PYTHON_STREAM = """{imports}from openai import OpenAI

client = OpenAI(base_url="{base_url}", api_key={secret})
stream = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "Hello"}}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="")"""

_JAVASCRIPT = """import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{base_url}", apiKey: {secret} }});
const answer = await client.chat.completions.create({{
  model: "{model}",
  messages: [{{ role: "user", content: "Hello" }}],
}});
console.log(answer.choices[0].message.content);"""

_JAVASCRIPT_STREAM = """import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{base_url}", apiKey: {secret} }});
const stream = await client.chat.completions.create({{
  model: "{model}",
  messages: [{{ role: "user", content: "Hello" }}],
  stream: true,
}});
for await (const chunk of stream) {{
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}}"""


@dataclass(frozen=True)
class Snippets:
    """The same call in several languages, answered at once and streamed."""

    plain: list[Snippet]
    streaming: list[Snippet]


def call_snippets(base_url: str, secret: str | None = None) -> Snippets:
    """Calls with this secret; without one, with the environment variable that holds it."""
    curl = secret or f"${VARIABLE}"
    python = f'"{secret}"' if secret else f'os.environ["{VARIABLE}"]'
    javascript = f'"{secret}"' if secret else f"process.env.{VARIABLE}"
    imports = "" if secret else "import os\n\n"

    def fill(template: str, shown: str) -> str:
        return template.format(base_url=base_url, model=TRY_OUT_MODEL, secret=shown, imports=imports)

    return Snippets(
        plain=[
            ("curl", "bash", fill(_CURL, curl)),
            ("Python", "python", fill(_PYTHON, python)),
            ("JavaScript", "javascript", fill(_JAVASCRIPT, javascript)),
        ],
        streaming=[
            ("curl", "bash", fill(_CURL_STREAM, curl)),
            ("Python", "python", fill(_PYTHON_STREAM, python)),
            ("JavaScript", "javascript", fill(_JAVASCRIPT_STREAM, javascript)),
        ],
    )


def conversation_snippets(base_url: str) -> list[Snippet]:
    """Calls that name the conversation that they belong to."""
    (curl, python, javascript) = call_snippets(base_url).plain
    name = "my-first-chat"
    return [
        (*curl[:2], curl[2].replace('\'{"model"', f'\'{{"conversation_id": "{name}", "model"')),
        (*python[:2], python[2].replace("}],\n)", f'}}],\n    extra_body={{"conversation_id": "{name}"}},\n)')),
        (*javascript[:2], javascript[2].replace("  model:", f'  conversation_id: "{name}",\n  model:')),
    ]
