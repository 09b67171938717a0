import java.io.OutputStream;
import scala.Console$;
import scala.runtime.AbstractFunction0;
import scala.runtime.BoxedUnit;

/** Points Scala's own standard output and error somewhere while a body runs. */
class ScalaConsole {
    static void with(OutputStream out, OutputStream err, Runnable body) {
        Console$.MODULE$.withOut(out, new AbstractFunction0<BoxedUnit>() {
            @Override
            public BoxedUnit apply() {
                return Console$.MODULE$.withErr(err, new AbstractFunction0<BoxedUnit>() {
                    @Override
                    public BoxedUnit apply() {
                        body.run();
                        return BoxedUnit.UNIT;
                    }
                });
            }
        });
    }
}
