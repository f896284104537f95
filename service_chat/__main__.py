"""`python -m service_chat` serves on HOST and CHAT_API_PORT; docs/configuration.md lists every variable."""

if __name__ == "__main__":
    from service_chat.main import run

    run()
