using System.Reflection;
using Xunit.Abstractions;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Masquerade.Radio.Tests;

/// <summary>What runs in the machine: one test.</summary>
internal static class Program
{
    /// <summary>What is said before the reason why a test has failed.</summary>
    public const string Failed = "FAILED: ";

    private static int Main(string[] arguments)
    {
        if (arguments is not [var type, var method])
        {
            Console.Error.WriteLine("usage: CLASS METHOD (in the machine: dotnet test runs it there)");
            return 2;
        }

        Machine.IsHere = true;
        try
        {
            var test = Type.GetType(type)!;
            test.GetMethod(method)!.Invoke(Activator.CreateInstance(test, new Lines()), null);
            return 0;
        }
        catch (TargetInvocationException e)
        {
            Console.WriteLine(Failed + e.InnerException);
            return 1;
        }
    }

    private sealed class Lines : ITestOutputHelper
    {
        public void WriteLine(string message) => Console.WriteLine(message);

        public void WriteLine(string format, params object[] args) => Console.WriteLine(format, args);
    }
}
