//! For clients: check a document, a host, a prompt, a receipt, a page. Library and openkey-verify
