namespace Masquerade.Configuration;

/// <summary>One mistake in a configuration file.</summary>
/// <param name="Path">The key, as in <c>uplink.addresses[1]</c>; empty if it concerns the file as a whole.</param>
/// <param name="Value">What is there, as written; empty if nothing is.</param>
/// <param name="Allowed">What may be there.</param>
public sealed record ConfigMistake(string Path, string Value, string Allowed)
{
    /// <inheritdoc/>
    public override string ToString() => (Path.Length == 0 ? "file" : Path) + ": " + (Value.Length == 0 ? "missing" : Value) + " - allowed: " + Allowed;
}
