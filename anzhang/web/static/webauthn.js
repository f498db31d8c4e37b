// Security keys. A form marked data-webauthn ("create" or "get") carries the server's options in data-options;
// its button asks the browser for the key's answer, puts it into the field "credential" and submits.
(() => {
  "use strict";

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const decodeAll = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));

  function optionsOf(form) {
    const given = JSON.parse(form.dataset.options).publicKey;
    const options = { ...given, challenge: bytes(given.challenge) };
    if (given.user) options.user = { ...given.user, id: bytes(given.user.id) };
    if (given.excludeCredentials) options.excludeCredentials = decodeAll(given.excludeCredentials);
    if (given.allowCredentials) options.allowCredentials = decodeAll(given.allowCredentials);
    return options;
  }

  function answerOf(credential) {
    const response = { clientDataJSON: text(credential.response.clientDataJSON) };
    for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[part]) response[part] = text(credential.response[part]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return {
      type: credential.type,
      id: credential.id,
      rawId: text(credential.rawId),
      authenticatorAttachment: credential.authenticatorAttachment,
      clientExtensionResults: credential.getClientExtensionResults(),
      response,
    };
  }

  async function ask(form) {
    const complaint = form.querySelector("[data-complaint]");
    complaint.textContent = "";
    try {
      const publicKey = optionsOf(form);
      const credential = await (form.dataset.webauthn === "create"
        ? navigator.credentials.create({ publicKey })
        : navigator.credentials.get({ publicKey }));
      form.elements.credential.value = JSON.stringify(answerOf(credential));
      form.submit();
    } catch (error) {
      complaint.textContent = error.name === "SecurityError" ? form.dataset.unsupported : form.dataset.failed;
    }
  }

  for (const form of document.querySelectorAll("form[data-webauthn]")) {
    const button = form.querySelector("[data-key]");
    if (!window.PublicKeyCredential) {
      button.disabled = true;
      form.querySelector("[data-complaint]").textContent = form.dataset.unsupported;
      continue;
    }
    button.addEventListener("click", () => ask(form));
  }
})();
