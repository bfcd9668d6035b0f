namespace Masquerade.Pki.Channel;

/// <summary>The four files of a node, as its configuration names them.</summary>
/// <param name="Authorities">Certificates of the site's authorities, PEM.</param>
/// <param name="Certificate">The node's own certificate, PEM.</param>
/// <param name="Key">Its private key, PEM; readable by its owner alone.</param>
/// <param name="Lists">Revocation lists, PEM; empty if there are none.</param>
public sealed record CredentialFiles(string Authorities, string Certificate, string Key, string Lists);

/// <summary>A file that cannot be used.</summary>
/// <param name="Key">Its key in the configuration: <c>ca</c>, <c>certificate</c>, <c>key</c> or <c>crl</c>.</param>
/// <param name="Value">Its path, and what is wrong with it.</param>
/// <param name="Allowed">What should be there.</param>
public sealed record CredentialProblem(string Key, string Value, string Allowed);
