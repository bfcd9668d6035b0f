namespace Masquerade.Cli.Site;

/// <summary>What was asked for cannot be told; the message says why, in words for the terminal.</summary>
internal sealed class CliException(string message) : Exception(message);
