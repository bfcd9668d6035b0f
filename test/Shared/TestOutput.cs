using Xunit.Abstractions;

namespace Masquerade.Testing;

/// <summary>Where a test's programs put what they say.</summary>
public static class TestOutput
{
    /// <summary>Puts lines into a test's output as long as the test runs: the last words of a program that is ended with the test have no place any more.</summary>
    public static Action<string> Lines(this ITestOutputHelper output)
    {
        ArgumentNullException.ThrowIfNull(output);
        return line =>
        {
            try
            {
                output.WriteLine(line);
            }
            catch (InvalidOperationException)
            {
                // The test is over.
            }
        };
    }
}
