using Masquerade.Core.Flow;

namespace Masquerade.Auth.Tests.Keys;

/// <summary>Programs in Python that do the same as the code under test.</summary>
internal static class KeyJudge
{
    private const string Interpreter = "/usr/bin/python3";

    /// <summary>Gives a judge lines and returns its answers, a line each.</summary>
    public static string[] Ask(string script, IEnumerable<string> lines, params string[] arguments)
    {
        Assert.True(File.Exists(Interpreter), $"{Interpreter} is missing: apt-get install python3-scapy python3-cryptography");
        var (code, answer, said) = OutsideProgram.Run(Interpreter, ["-B", Path.Combine(AppContext.BaseDirectory, script), .. arguments], string.Concat(lines.Select(line => line + "\n")));
        Assert.True(code == 0, said);
        return answer.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Random octets from a seed.</summary>
    public static byte[] Draw(SeededRandom chance, int length)
    {
        var bytes = new byte[length];
        for (var i = 0; i < length; i++)
        {
            bytes[i] = (byte)chance.NextUInt64();
        }

        return bytes;
    }
}
