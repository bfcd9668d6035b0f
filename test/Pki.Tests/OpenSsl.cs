
namespace Masquerade.Pki.Tests;

/// <summary>Debian's openssl: somebody else's opinion.</summary>
internal static class OpenSsl
{
    public static (int Code, string Output) Run(params string[] arguments) => Run(string.Empty, arguments);

    public static (int Code, string Output) Run(string input, string[] arguments) => Start("openssl", input, arguments);

    /// <summary>Runs a program to its end, a minute at most, and returns all it printed.</summary>
    public static (int Code, string Output) Start(string program, string input, string[] arguments)
    {
        var (code, output, errors) = OutsideProgram.Run(program, arguments, input, seconds: 60);
        return (code, output + errors);
    }
}
